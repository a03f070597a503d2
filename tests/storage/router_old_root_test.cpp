// Roots of format 1, which have a reverse record of every copy, and of format 2, whose copies have records
// beside them: both go on as they are, and what is old goes as the values do.
#include "storage/router_records.hpp"
#include "tests/storage/router_world.hpp"

namespace sheaf::test {
namespace {

using namespace router_records;

// The key that a copy had in format 1 and 2.
Buffer old_copy_key(std::uint64_t version, StoreNumber store) {
  Buffer key{std::byte{1}};
  for (int shift = 48; shift >= 0; shift -= 8) key.push_back(static_cast<std::byte>(version >> shift));
  key.resize(15);
  key.push_back(static_cast<std::byte>(store));
  return key;
}

// The stores of a router that is closed, as they were written in format 1 or 2. Store n has the label n - 1.
void make_old(RouterWorld& world, std::uint32_t format) {
  Backend& root = world.store("root");
  Batch batch;
  batch.put_copy(format_key(), encode_u64(format));
  for (const auto& [key, value] : records_of(root, entry_prefix)) {
    auto entry = decode_entry(value);
    REQUIRE(entry.has_value());
    if (!entry->pointer) continue;
    const Bytes outer = Bytes(key).subspan(1);
    Pointer old = *entry->pointer;
    old.recorded = true;
    old.reversed = format == 1;
    for (CopyAt& copy : old.copies) {
      Backend& store = world.store(std::to_string(copy.store - 1));
      const Buffer now = copy_key(*entry->pointer, copy, outer);
      copy.key = old_copy_key(old.version, copy.store);
      Buffer content;
      REQUIRE(store.get(now, content));
      Batch moved;
      moved.del(now);
      moved.put(copy.key, content);
      moved.put_copy(copy_record_key(old.version, copy.key),
                     encode_copy_record(outer, old.length, old.checksum));
      REQUIRE(store.write(moved, Durable::no));
      if (format == 1) batch.put_copy(reverse_key(copy.store, copy.key), outer);
    }
    const Buffer pointer = encode_pointer(old);
    CHECK(pointer[0] == static_cast<std::byte>(format == 1 ? 1 : 3));
    batch.put_copy(key, pointer);
  }
  REQUIRE(root.write(batch, Durable::no));
}

std::size_t reverse_records(RouterWorld& world) {
  constexpr std::byte prefix[] = {std::byte{2}};
  return records_of(world.store("root"), prefix).size();
}

std::uint64_t format_of(RouterWorld& world) {
  Buffer bytes;
  REQUIRE(world.store("root").get(format_key(), bytes));
  return decode_u64(bytes).value();
}

RouterOptions adopting(RouterWorld& world) {
  RouterOptions options = world.options();
  options.stores[1].adopt = true;
  return options;
}

void make_old_world(RouterWorld& world, std::uint32_t format) {
  Router& store = world.make();
  for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(put(store, key, std::string("12 ") + key));
  REQUIRE(store.sync());
  world.end();
  CHECK(reverse_records(world) == 0);
  make_old(world, format);
  CHECK(reverse_records(world) == (format == 1 ? 10 : 0));
  CHECK(world.others("1") == 5);
}

}  // namespace

TEST_CASE("an old root is read as it is, and loses what is old as its values change") {
  for (const std::uint32_t format : {1u, 2u}) {
    INFO("format ", format);
    RouterWorld world;
    make_old_world(world, format);
    Router& store = world.make(adopting(world));
    CHECK(listed(store, {}) == "a=12 a b=12 b c=12 c d=12 d e=12 e ");
    CHECK(store.absorb().value() == 0);
    CHECK(check_all(store).findings.empty());
    CHECK(format_of(world) == format);

    REQUIRE(put(store, "a", "3"));
    REQUIRE(store.del(as_bytes("b"), Durable::no));
    REQUIRE(store.sync());
    CHECK(format_of(world) == format_version);
    CHECK(reverse_records(world) == (format == 1 ? 6 : 0));
    CHECK(world.others("1") == 3);

    Router& again = world.make(adopting(world));
    CHECK(again.absorb().value() == 0);
    CHECK(listed(again, {}) == "a=3 c=12 c d=12 d e=12 e ");
    CHECK(check_all(again).findings.empty());
    CHECK(world.counts() == "0331");
  }
}

TEST_CASE("an old copy that is gone comes back with its record") {
  for (const std::uint32_t format : {1u, 2u}) {
    INFO("format ", format);
    RouterWorld world;
    make_old_world(world, format);
    for (const Buffer& key : world.copy_keys("1")) REQUIRE(world.store("1").del(key, Durable::no));
    for (const auto& [key, value] : records_of(world.store("1"), copy_record_prefix))
      REQUIRE(world.store("1").del(key, Durable::no));
    Router& store = world.make();
    CHECK(kinds_in_words(check_all(store, {.repair = true})) ==
          "missing1+ missing1+ missing1+ missing1+ missing1+ ");
    CHECK(world.copies("1") == 5);
    CHECK(world.others("1") == 5);
    CHECK(check_all(store).findings.empty());
  }
}

TEST_CASE("an old copy without a pointer is swept with its record") {
  RouterWorld world;
  make_old_world(world, 2);
  Batch batch;
  const Buffer copy = old_copy_key(3, 7);
  batch.put(copy, as_bytes("an orphan"));
  batch.put_copy(copy_record_key(3, copy),
                 encode_copy_record(as_bytes("c"), 9, checksum_of(as_bytes("an orphan"))));
  REQUIRE(world.store("1").write(batch, Durable::no));
  Router& store = world.make();
  CHECK(kinds_in_words(check_all(store, {.repair = true})) == "orphan1+ ");
  CHECK(world.copies("1") == 5);
  CHECK(world.others("1") == 5);
}

TEST_CASE("what others do to a copy is found by its record in old formats, and by its key since") {
  for (const std::uint32_t format : {1u, 2u}) {
    INFO("format ", format);
    RouterWorld world;
    make_old_world(world, format);
    Router& store = world.make(adopting(world));
    REQUIRE(put(store, "b", "12 later"));  // a new one among old ones
    CHECK(store.absorb().value() == 0);
    const auto copies = world.copy_keys("1");  // the new one, then the old ones in the order of the puts
    REQUIRE(copies.size() == 6);
    const Buffer &b = copies[0], &a = copies[1], &c = copies[3];
    REQUIRE(world.store("1").put(a, as_bytes("1 of others"), {}, Durable::no));
    REQUIRE(world.store("1").put(b, as_bytes("1 of others, too"), {}, Durable::no));
    REQUIRE(world.store("1").del(c, Durable::no));
    CHECK(store.absorb().value() == 3);
    CHECK(listed(store, {}) == "a=1 of others b=1 of others, too d=12 d e=12 e ");
    REQUIRE(store.sync());
    CHECK(reverse_records(world) == (format == 1 ? 4 : 0));
    CHECK(check_all(store).findings.empty());
  }
}

TEST_CASE("a put over an old value that is lost with the power gives back the value and its records") {
  for (const std::uint32_t format : {1u, 2u}) {
    INFO("format ", format);
    RouterWorld world;
    make_old_world(world, format);
    Router& store = world.make();
    const Records before = records_of(world.store("3"));
    REQUIRE(put(store, "a", "3 lost"));
    CHECK(reverse_records(world) == (format == 1 ? 8 : 0));
    // The power fails: the root has kept the put, the store of its copy has not.
    const Records root = records_of(world.store("root"));
    const Records one = records_of(world.store("1")), two = records_of(world.store("2"));
    world.end();
    become(world.store("root"), root);
    become(world.store("1"), one);
    become(world.store("2"), two);
    become(world.store("3"), before);

    Router& again = world.make(adopting(world));
    CHECK(again.counters().rolled_back == 1);
    CHECK(reverse_records(world) == (format == 1 ? 10 : 0));
    CHECK(listed(again, {}) == "a=12 a b=12 b c=12 c d=12 d e=12 e ");
    CHECK(again.absorb().value() == 0);
    CHECK(check_all(again).findings.empty());
  }
}

TEST_CASE("an old copy that has lost its record is still a copy, and nobody else's value") {
  RouterWorld world;
  make_old_world(world, 2);
  Batch gone;
  for (const auto& [key, value] : records_of(world.store("1"), copy_record_prefix)) gone.del(key);
  REQUIRE(gone.size() == 5);
  REQUIRE(world.store("1").write(gone, Durable::no));
  Router& store = world.make(adopting(world));
  CHECK(store.absorb().value() == 0);
  CHECK(listed(store, {}) == "a=12 a b=12 b c=12 c d=12 d e=12 e ");
  CHECK(world.copies("1") == 5);
}

TEST_CASE("a root that is lost is made again from old copies and new ones") {
  RouterWorld world;
  make_old_world(world, 2);
  Router& store = world.make();
  REQUIRE(put(store, "b", "23 later"));
  REQUIRE(store.sync());
  world.end();
  become(world.store("root"), {});
  RouterOptions options = world.options();
  options.rebuild_root = true;
  Router& again = world.make(std::move(options));
  CHECK(rebuild_root(again).value() == 5);
  CHECK(listed(again, {}) == "a=12 a b=23 later c=12 c d=12 d e=12 e ");
  CHECK(check_all(again).findings.empty());
}

}  // namespace sheaf::test
