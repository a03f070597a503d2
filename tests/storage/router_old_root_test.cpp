// A root of format 1, which has a reverse record of every copy: it goes on as it is, and its records go as
// the values do.
#include "storage/router_records.hpp"
#include "tests/storage/router_world.hpp"

namespace sheaf::test {
namespace {

using namespace router_records;

using Records = std::vector<std::pair<Buffer, Buffer>>;

Records records_of(Backend& store, Bytes prefix = {}) {
  Records out;
  auto cursor = prefix.empty() ? store.iterate({}) : store.iterate({.gte = prefix, .lt = past(prefix)});
  REQUIRE(cursor);
  while ((*cursor)->next().value())
    out.emplace_back(to_buffer((*cursor)->key()), to_buffer((*cursor)->value()));
  return out;
}

void become(Backend& store, const Records& records) {
  Batch batch;
  for (const auto& [key, value] : records_of(store)) batch.del(key);
  for (const auto& [key, value] : records) batch.put(key, value);
  REQUIRE(store.write(batch, Durable::no));
}

// The root of a router that is closed, as it was written before format 2.
void make_old(Backend& root) {
  Batch batch;
  batch.put_copy(format_key(), encode_u64(1));
  for (const auto& [key, value] : records_of(root, entry_prefix)) {
    auto entry = decode_entry(value);
    REQUIRE(entry.has_value());
    if (!entry->pointer) continue;
    entry->pointer->reversed = true;
    const Buffer pointer = encode_pointer(*entry->pointer);
    CHECK(pointer[0] == std::byte{1});
    batch.put_copy(key, pointer);
    for (const CopyAt& copy : entry->pointer->copies)
      batch.put_copy(reverse_key(copy.store, copy.key), Bytes(key).subspan(1));
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

void make_old_world(RouterWorld& world) {
  Router& store = world.make();
  for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(put(store, key, std::string("12 ") + key));
  REQUIRE(store.sync());
  world.end();
  CHECK(reverse_records(world) == 0);
  make_old(world.store("root"));
  CHECK(reverse_records(world) == 10);
}

}  // namespace

TEST_CASE("a root of format 1 is read as it is, and loses its reverse records as its values change") {
  RouterWorld world;
  make_old_world(world);
  Router& store = world.make(adopting(world));
  CHECK(listed(store, {}) == "a=12 a b=12 b c=12 c d=12 d e=12 e ");
  CHECK(store.absorb().value() == 0);
  CHECK(check_all(store).findings.empty());
  CHECK(format_of(world) == 1);

  REQUIRE(put(store, "a", "3"));
  REQUIRE(store.del(as_bytes("b"), Durable::no));
  REQUIRE(store.sync());
  CHECK(format_of(world) == 2);
  CHECK(reverse_records(world) == 6);

  Router& again = world.make(adopting(world));
  CHECK(again.absorb().value() == 0);
  CHECK(listed(again, {}) == "a=3 c=12 c d=12 d e=12 e ");
  CHECK(check_all(again).findings.empty());
  CHECK(world.counts() == "0331");
}

TEST_CASE("what others do to a copy is found by its record in format 1, and beside the copy since") {
  RouterWorld world;
  make_old_world(world);
  Router& store = world.make(adopting(world));
  REQUIRE(put(store, "b", "12 later"));  // one of format 2 among those of format 1
  CHECK(store.absorb().value() == 0);
  const auto copies = world.copy_keys("1");  // in the order of the puts
  REQUIRE(copies.size() == 6);
  const Buffer &a = copies[0], &b = copies[5], &c = copies[2];
  REQUIRE(world.store("1").put(a, as_bytes("1 of others"), {}, Durable::no));
  REQUIRE(world.store("1").put(b, as_bytes("1 of others, too"), {}, Durable::no));
  REQUIRE(world.store("1").del(c, Durable::no));
  CHECK(store.absorb().value() == 3);
  CHECK(listed(store, {}) == "a=1 of others b=1 of others, too d=12 d e=12 e ");
  REQUIRE(store.sync());
  CHECK(reverse_records(world) == 4);
  CHECK(check_all(store).findings.empty());
}

TEST_CASE("a put over a value of format 1 that is lost with the power gives back the value and its records") {
  RouterWorld world;
  make_old_world(world);
  Router& store = world.make();
  const Records before = records_of(world.store("3"));
  REQUIRE(put(store, "a", "3 lost"));
  CHECK(reverse_records(world) == 8);
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
  CHECK(reverse_records(world) == 10);
  CHECK(listed(again, {}) == "a=12 a b=12 b c=12 c d=12 d e=12 e ");
  CHECK(again.absorb().value() == 0);
  CHECK(check_all(again).findings.empty());
}

TEST_CASE("a copy that has lost its record is still a copy, and nobody else's value") {
  RouterWorld world;
  REQUIRE(put(world.make(), "a", "1"));
  REQUIRE(world.router().sync());
  world.end();
  Batch gone;
  for (const auto& [key, value] : records_of(world.store("1"), copy_record_prefix)) gone.del(key);
  REQUIRE(gone.size() == 1);
  REQUIRE(world.store("1").write(gone, Durable::no));
  Router& store = world.make(adopting(world));
  CHECK(store.absorb().value() == 0);
  CHECK(listed(store, {}) == "a=1 ");
  CHECK(world.copies("1") == 1);
}

}  // namespace sheaf::test
