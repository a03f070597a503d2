// Whose a core is, told from a folder's own records while they change.
#include "storage/archive_lookup.hpp"

#include "protocol/signables.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "storage/core_table.hpp"
#include "storage/key_schema.hpp"
#include "tests/storage/router_world.hpp"

namespace sheaf::test {
namespace {

CoreKey key_of(int number) { return CoreKey::from(Buffer(CoreKey::size, static_cast<std::byte>(number))); }

// A router without stores, and the table of cores in it.
struct Folder {
  RouterWorld world{{}};
  Router& router{world.make()};
  CoreTable table{router, router, "boot"};

  Folder() { REQUIRE(table.open()); }
  Backend& root() { return world.store(std::string(root_label)); }
  CoreId add(const CoreKey& key, CoreKind kind, std::optional<CoreKey> partner) {
    CoreRecord record;
    record.key = key;
    record.discovery_key = discovery_key(key);
    record.kind = kind;
    record.partner = partner;
    record.followed = true;
    const auto added = table.add(std::move(record));
    REQUIRE(added.has_value());
    return added->id;
  }
  void learn_partner(const CoreKey& key, const CoreKey& partner) {
    auto record = table.find(discovery_key(key));
    REQUIRE(record.has_value());
    (*record)->partner = partner;
    REQUIRE(table.update(**record));
  }
};

const CoreKey db = key_of(1), blobs = key_of(2), other = key_of(3), bare = key_of(4);

}  // namespace

TEST_CASE("both cores of an archive are its own; a bare core is its own; others are nobody's") {
  Folder folder;
  const CoreId db_id = folder.add(db, CoreKind::archive_db, blobs);
  const CoreId blobs_id = folder.add(blobs, CoreKind::archive_blobs, db);
  const CoreId other_id = folder.add(other, CoreKind::archive_db, std::nullopt);
  const CoreId bare_id = folder.add(bare, CoreKind::bare, std::nullopt);
  ArchiveLookup lookup(folder.root(), {db, bare});
  for (int again = 0; again < 2; ++again) {
    CHECK(lookup.archive_of(db_id) == db);
    CHECK(lookup.archive_of(blobs_id) == db);
    CHECK(lookup.archive_of(bare_id) == bare);
    CHECK(!lookup.archive_of(other_id));
    CHECK(!lookup.archive_of(CoreId{99}));
  }
}

TEST_CASE("a core is found as soon as its record says so, also after it was asked for in vain") {
  Folder folder;
  ArchiveLookup lookup(folder.root(), {db});
  CHECK(!lookup.archive_of(CoreId{1}));
  CHECK(!lookup.archive_of(CoreId{2}));
  const CoreId db_id = folder.add(db, CoreKind::archive_db, std::nullopt);
  const CoreId blobs_id = folder.add(blobs, CoreKind::archive_blobs, db);
  CHECK(lookup.archive_of(db_id) == db);
  CHECK(!lookup.archive_of(blobs_id));  // the db core does not name it yet
  folder.learn_partner(db, blobs);
  CHECK(lookup.archive_of(blobs_id) == db);
}

TEST_CASE("an archive that was forgotten and is followed again is found under its new numbers") {
  Folder folder;
  const CoreId before = folder.add(db, CoreKind::archive_db, blobs);
  const CoreId blobs_id = folder.add(blobs, CoreKind::archive_blobs, db);
  ArchiveLookup lookup(folder.root(), {db});
  CHECK(lookup.archive_of(before) == db);
  CHECK(lookup.archive_of(blobs_id) == db);
  REQUIRE(folder.table.forget(discovery_key(db)));
  const CoreId after = folder.add(db, CoreKind::archive_db, blobs);
  CHECK(after != before);
  CHECK(lookup.archive_of(after) == db);
}

TEST_CASE("what cannot be read belongs to nobody") {
  Folder folder;
  ArchiveLookup lookup(folder.root(), {db});
  const CoreId id = folder.add(db, CoreKind::archive_db, std::nullopt);
  Buffer at{std::byte{1}};
  append(at, keys::core_record(discovery_key(db)));
  REQUIRE(folder.root().put(at, as_bytes("rubbish"), {}, Durable::no));
  CHECK(!lookup.archive_of(id));
}

}  // namespace sheaf::test
