#include "storage/core_table.hpp"

#include "protocol/signables.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "storage/key_schema.hpp"
#include "storage/leveldb_seams.hpp"
#include "tests/storage/core_script.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {
namespace {

CoreRecord record_of(std::uint8_t name) {
  CoreRecord record;
  record.key.value[0] = std::byte{name};
  record.discovery_key = discovery_key(record.key);
  return record;
}

CoreRecord own_record(std::uint8_t number, std::string name) {
  CoreRecord record = record_of(number);
  record.name = std::move(name);
  record.secret_key = key_pair_of(number).secret_key;
  return record;
}

struct Root {
  Root() {
    REQUIRE(root->open());
    REQUIRE(blocks->open());
  }
  CoreTable table(std::string boot_id = "boot 1") { return CoreTable(*root, *blocks, std::move(boot_id)); }
  std::size_t keys() {
    std::size_t count = 0;
    for (Backend* backend : {root.get(), blocks.get()}) {
      auto cursor = backend->iterate({});
      while ((*cursor)->next().value()) ++count;
    }
    return count;
  }
  std::unique_ptr<Backend> root = memory_backend();
  std::unique_ptr<Backend> blocks = memory_backend();
};

}  // namespace

TEST_CASE("cores are found by discovery key and by name, after opening again, too") {
  Root root;
  CoreRecord followed = record_of(1);
  followed.followed = followed.is_private = true;
  const std::array<std::byte, 32> secret{std::byte{9}};
  followed.encryption_key = EncryptionKey::from(secret);
  {
    CoreTable table = root.table();
    REQUIRE(table.open());
    const auto first = table.add(followed);
    const auto second = table.add(own_record(2, "notes"));
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->id != second->id);
  }
  CoreTable table = root.table();
  REQUIRE(table.open());
  const auto found = table.find(followed.discovery_key);
  REQUIRE((found && *found));
  CHECK((*found)->key == followed.key);
  CHECK((*found)->discovery_key == followed.discovery_key);
  CHECK(((*found)->followed && (*found)->is_private && !(*found)->frozen && !(*found)->forgotten));
  CHECK(!(*found)->secret_key);
  CHECK(equal((*found)->encryption_key->bytes(), secret));
  const auto own = table.find("notes");
  REQUIRE((own && *own));
  CHECK((*own)->name == "notes");
  CHECK(equal((*own)->secret_key->bytes(), key_pair_of(2).secret_key.bytes()));
  CHECK(!table.find("other").value());
  CHECK(!table.find("").value());
  CHECK(!table.find(DiscoveryKey{}).value());
}

TEST_CASE("a core is added once, and a name given once") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  REQUIRE(table.add(own_record(1, "a")));
  CHECK(table.add(record_of(1)).error() == StorageErrc::exists);
  CHECK(table.add(own_record(2, "a")).error() == StorageErrc::exists);
  CHECK(table.add(own_record(2, std::string(256, 'n'))).error() == StorageErrc::too_large);
  CHECK(table.add(own_record(2, std::string(255, 'n'))));
  CHECK(table.find(std::string(255, 'n')).value());
}

TEST_CASE("update changes what may change") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  CHECK(table.update(record_of(1)).error() == StorageErrc::not_found);
  auto record = table.add(own_record(1, "a"));
  REQUIRE(record);
  CoreRecord changed = *record;
  changed.frozen = true;
  changed.name = "b";
  changed.id = {99};
  REQUIRE(table.update(changed));
  const auto found = table.find(record->discovery_key);
  CHECK((*found)->frozen);
  CHECK((*found)->name == "a");
  CHECK((*found)->id == record->id);
}

TEST_CASE("the list gives every core, without opening any") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  for (std::uint8_t i = 0; i < 100; ++i) REQUIRE(table.add(record_of(i)));
  auto walk = table.list();
  REQUIRE(walk);
  std::map<DiscoveryKey, CoreKey> seen;
  DiscoveryKey last{};
  for (auto record = walk->next(); record && *record; record = walk->next()) {
    CHECK(last <= (*record)->discovery_key);
    last = (*record)->discovery_key;
    seen[last] = (*record)->key;
  }
  CHECK(seen.size() == 100);
  for (std::uint8_t i = 0; i < 100; ++i) CHECK(seen[record_of(i).discovery_key] == record_of(i).key);
}

TEST_CASE("forgetting deletes data and secrets and leaves a mark; only the user brings the core back") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  const auto kept = table.add(record_of(1));
  const auto gone = table.add(own_record(2, "gone"));
  REQUIRE((kept && gone));
  CoreScript script;
  script.append(20);
  CoreView kept_view;
  for (const CoreId id : {kept->id, gone->id}) {
    CoreStore store(*root.root, *root.blocks, id);
    REQUIRE(store.open());
    REQUIRE(script.steps[0].commit(store, Durable::no));
    REQUIRE(store.keep_conflict({to_buffer(as_bytes("proof"))}));
  }
  REQUIRE(table.mark_unsynced(gone->id));
  REQUIRE(table.forget(gone->discovery_key));
  CHECK(table.forget(gone->discovery_key).error() == StorageErrc::not_found);

  const auto mark = table.find(gone->discovery_key);
  REQUIRE((mark && *mark));
  CHECK((*mark)->forgotten);
  CHECK((*mark)->key == gone->key);
  CHECK(!(*mark)->secret_key);
  CHECK(!table.find("gone").value());
  CHECK(!table.unclean_restart().value());
  {
    CoreStore store(*root.root, *root.blocks, gone->id);
    CHECK(!store.open()->head);
    CHECK(!store.conflict().value());
    CoreStore other(*root.root, *root.blocks, kept->id);
    const auto contents = other.open();
    CHECK(view_of(other, *contents) == script.states[1]);
    CHECK(other.conflict().value());
  }
  const auto back = table.add(own_record(2, "gone"));
  REQUIRE(back);
  CHECK(back->id != gone->id);
  CHECK(!(*table.find("gone"))->forgotten);
}

TEST_CASE("a forget that is cut off is finished when the store is opened") {
  for (std::uint64_t at = 0;; ++at) {
    FaultEnv env;
    const auto root = leveldb_backend({.folder = "/root", .write_buffer_bytes = 64 * 1024}, {.env = &env});
    REQUIRE(root->open());
    CoreRecord record = record_of(1);
    bool forgotten = false;
    {
      CoreTable table(*root, *root, "boot");
      REQUIRE(table.open());
      record = table.add(record).value();
      CoreStore store(*root, *root, record.id);
      REQUIRE(store.open());
      CoreScript script;
      script.append(30);
      REQUIRE(script.steps[0].commit(store, Durable::yes));
      env.crash_at(env.operations() + at);
      forgotten = table.forget(record.discovery_key).has_value();
    }
    const bool reached = env.crashed();
    REQUIRE(root->close());
    env.lose_power(Unsynced::dropped);
    REQUIRE(root->open());
    CoreTable table(*root, *root, "boot");
    REQUIRE(table.open());
    const auto found = table.find(record.discovery_key);
    REQUIRE((found && *found));
    if (forgotten) CHECK((*found)->forgotten);
    std::size_t keys = 0;
    const keys::Span state = keys::all_state(record.id);
    auto cursor = root->iterate({.gte = state.first, .lt = state.end});
    while ((*cursor)->next().value()) ++keys;
    CHECK((keys == 0) == (*found)->forgotten);
    if (!reached) break;
  }
}

TEST_CASE(
    "a store of format 1 becomes one of format 2: its cores are bare, and may be an archive's from then on") {
  Root root;
  const CoreRecord own = own_record(1, "notes");
  {
    CoreTable table = root.table();
    REQUIRE(table.open());
    REQUIRE(table.add(own));
    // As format 1 wrote it: without the byte of the kind behind version and flags.
    Buffer record;
    REQUIRE(root.root->get(keys::core_record(own.discovery_key), record));
    record[0] = std::byte{1};
    record.erase(record.begin() + 2);
    REQUIRE(root.root->put(keys::core_record(own.discovery_key), record, {}, Durable::no));
    REQUIRE(root.root->put(keys::format(), as_bytes(std::string_view("\x01\0\0\0", 4)), {}, Durable::no));
  }
  CoreTable table = root.table();
  REQUIRE(table.open());
  Buffer format;
  REQUIRE(root.root->get(keys::format(), format));
  CHECK(as_text(format) == std::string_view("\x02\0\0\0", 4));
  const auto found = table.find("notes");
  REQUIRE((found && *found));
  CHECK((*found)->key == own.key);
  CHECK(equal((*found)->secret_key->bytes(), own.secret_key->bytes()));
  CHECK((*found)->kind == CoreKind::bare);
  CHECK(!(*found)->partner);

  CoreRecord changed = **found;
  changed.kind = CoreKind::archive_db;
  changed.partner = record_of(2).key;
  REQUIRE(table.update(changed));
  const auto again = table.find(own.discovery_key);
  REQUIRE((again && *again));
  CHECK((*again)->kind == CoreKind::archive_db);
  CHECK((*again)->partner == changed.partner);
  CHECK((*again)->name == "notes");
}

TEST_CASE("a record of a kind that is none is damaged") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  REQUIRE(table.add(record_of(1)));
  Buffer record;
  REQUIRE(root.root->get(keys::core_record(record_of(1).discovery_key), record));
  record[2] = std::byte{3};
  REQUIRE(root.root->put(keys::core_record(record_of(1).discovery_key), record, {}, Durable::no));
  CHECK(table.find(record_of(1).discovery_key).error() == StorageErrc::damaged);
}

TEST_CASE("a store of a newer format is refused and left alone") {
  Root root;
  {
    CoreTable table = root.table();
    REQUIRE(table.open());
    REQUIRE(table.add(record_of(1)));
  }
  const std::size_t before = root.keys();
  REQUIRE(root.root->put(keys::format(), as_bytes(std::string_view("\x03\0\0\0", 4)), {}, Durable::no));
  CoreTable table = root.table();
  CHECK(table.open().error() == StorageErrc::newer_format);
  CHECK(root.keys() == before);
  // There is no format before the first.
  REQUIRE(root.root->put(keys::format(), as_bytes(std::string_view("\0\0\0\0", 4)), {}, Durable::no));
  CHECK(table.open().error() == StorageErrc::damaged);
  REQUIRE(root.root->put(keys::format(), as_bytes("1"), {}, Durable::no));
  CHECK(table.open().error() == StorageErrc::damaged);
}

TEST_CASE("a mark of another boot says that signed history may be lost, until the core has recovered") {
  Root root;
  CoreId core{};
  {
    CoreTable table = root.table("boot 1");
    REQUIRE(table.open());
    core = table.add(own_record(1, "a"))->id;
    CHECK(!table.unclean_restart().value());
    REQUIRE(table.mark_unsynced(core));
    REQUIRE(table.mark_unsynced(core));
    CHECK(!table.needs_recovery(core).value());
  }
  {
    // The process died, the machine did not: nothing is lost.
    CoreTable table = root.table("boot 1");
    REQUIRE(table.open());
    CHECK(!table.unclean_restart().value());
  }
  for (const char* boot : {"boot 2", "boot 3"}) {
    CoreTable table = root.table(boot);
    REQUIRE(table.open());
    CHECK(table.unclean_restart().value());
    CHECK(table.needs_recovery(core).value());
    // Neither appending nor a clean end takes the foreign mark away.
    REQUIRE(table.mark_unsynced(core));
    REQUIRE(table.mark_synced(core));
    CHECK(table.needs_recovery(core).value());
  }
  CoreTable table = root.table("boot 4");
  REQUIRE(table.open());
  REQUIRE(table.recovered(core));
  CHECK(!table.needs_recovery(core).value());
  REQUIRE(table.mark_unsynced(core));
  REQUIRE(table.mark_synced(core));
  CoreTable next = root.table("boot 5");
  REQUIRE(next.open());
  CHECK(!next.unclean_restart().value());
}

TEST_CASE("the mark is on disk before the append that it is for, and gone only after that append is") {
  CoreScript script;
  script.append(3);
  script.append(2);
  for (std::uint64_t at = 0;; ++at) {
    FaultEnv env;
    const auto root = leveldb_backend({.folder = "/root", .write_buffer_bytes = 64 * 1024}, {.env = &env});
    REQUIRE(root->open());
    CoreId core{};
    bool appended = false;
    bool ended = false;
    {
      CoreTable table(*root, *root, "boot 1");
      REQUIRE(table.open());
      core = table.add(own_record(1, "a"))->id;
      CoreStore store(*root, *root, core);
      REQUIRE(store.open());
      REQUIRE(script.steps[0].commit(store, Durable::yes));
      env.crash_at(env.operations() + at);
      appended = table.mark_unsynced(core) && script.steps[1].commit(store, Durable::no);
      ended = appended && table.mark_synced(core);
    }
    const bool reached = env.crashed();
    REQUIRE(root->close());
    env.lose_power(Unsynced::dropped);
    REQUIRE(root->open());
    CoreTable table(*root, *root, "boot 2");
    REQUIRE(table.open());
    CoreStore store(*root, *root, core);
    const auto contents = store.open();
    REQUIRE(contents);
    const bool there = view_of(store, *contents) == script.states[2];
    if (appended && !there) CHECK(table.needs_recovery(core).value());
    if (ended) CHECK((there && !table.needs_recovery(core).value()));
    if (!reached) break;
  }
}

TEST_CASE("the node's identity is kept") {
  Root root;
  CoreTable table = root.table();
  REQUIRE(table.open());
  CHECK(!table.identity().value());
  const std::array<std::byte, 32> seed{std::byte{1}, std::byte{2}};
  REQUIRE(table.set_identity(Seed::from(seed)));
  CHECK(equal(table.identity().value()->bytes(), seed));
}

}  // namespace sheaf::test
