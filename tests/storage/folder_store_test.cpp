// The store of a node's folder: its default, its own stores and routes, older roots, and stores that are
// lost.
#include "sheaf/storage/folder_store.hpp"

#include <filesystem>
#include <set>

#include "sheaf/protocol/key.hpp"
#include "sheaf/storage/leveldb_backend.hpp"
#include "sheaf/storage/value_keys.hpp"
#include "storage/core_store.hpp"
#include "storage/core_table.hpp"
#include "storage/key_schema.hpp"
#include "storage/leveldb_seams.hpp"
#include "storage/root_format.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {
namespace {

namespace fs = std::filesystem;

constexpr Traits block_traits{.role = Traits::Role::block, .core = CoreId{1}};

std::unique_ptr<Router> opened(const fs::path& folder, const StorageOptions& options = {}) {
  std::string trouble;
  auto store = open_folder_store(folder, true, options, nullptr, trouble);
  REQUIRE_MESSAGE(store, trouble);
  return std::move(*store);
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) sum += entry.file_size();
  return sum;
}

std::string stores_of(Router& router, std::string_view key) {
  auto entries = router.entries({.gte = as_bytes(key), .lte = as_bytes(key)});
  REQUIRE(entries);
  if (!(*entries)->next().value()) return "nothing";
  std::string out;
  for (const std::string& label : (*entries)->stores()) out += label + " ";
  return out;
}

// What an older folder holds: a plain root.
using Contents = std::map<std::string, std::string>;

Contents fill_old_root(Backend& root) {
  CoreTable table(root, root, "boot");
  REQUIRE(table.open());
  REQUIRE(table.set_identity(Seed::from(Buffer(Seed::size, std::byte{7}))));
  CoreStore store(root, root, CoreId{1});
  REQUIRE(store.open());
  Batch batch;
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    const std::string block = "block " + std::to_string(i) + std::string(i % 50, 'x');
    batch.put_copy(keys::block({1}, {i}), as_bytes(block), block_traits);
  }
  REQUIRE(root.write(batch, Durable::yes));
  Contents out;
  auto cursor = root.iterate({});
  REQUIRE(cursor);
  while ((*cursor)->next().value())
    out[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
  return out;
}

Contents contents_of(Backend& store) {
  Contents out;
  auto cursor = store.iterate({});
  REQUIRE(cursor);
  while ((*cursor)->next().value()) {
    const std::string key(as_text((*cursor)->key()));
    if (key != std::string(1, '\0')) out[key] = std::string(as_text((*cursor)->value()));
  }
  return out;
}

StorageOptions two_disks(const fs::path& first, const fs::path& second) {
  StorageOptions options;
  options.stores = {{.label = "first", .kind = StoreConfig::Kind::leveldb, .folder = first},
                    {.label = "second", .kind = StoreConfig::Kind::log, .folder = second}};
  options.routes = {{.min_size = 10, .to = {"first", "second"}}};
  options.fallback = "first";
  return options;
}

}  // namespace

TEST_CASE("by default large values and blocks lie in the log, small blocks in the root, small values apart") {
  const ScratchFolder folder;
  const auto store = opened(fs::path(folder / ""));
  const std::string large(large_value_bytes, 'l');
  const std::string small(large_value_bytes - 1, 's');
  REQUIRE(store->put(as_bytes("large block"), as_bytes(large), block_traits, Durable::no));
  REQUIRE(store->put(as_bytes("small block"), as_bytes(small), block_traits, Durable::no));
  REQUIRE(store->put(as_bytes("large value"), as_bytes(large), {}, Durable::no));
  REQUIRE(store->put(as_bytes("small value"), as_bytes(small), {}, Durable::no));
  REQUIRE(store->put(as_bytes("state"), as_bytes(large), {.role = Traits::Role::state}, Durable::no));
  CHECK(stores_of(*store, "large block") == "large ");
  CHECK(stores_of(*store, "small block") == "root ");
  CHECK(stores_of(*store, "large value") == "large ");
  CHECK(stores_of(*store, "small value") == "small ");
  CHECK(stores_of(*store, "state") == "root ");
  REQUIRE(store->reopen());
  CHECK(value_of(*store, "large block") == large);
  CHECK(value_of(*store, "small value") == small);
  for (const char* name : {"root", "small", "large"}) {
    const auto mode = fs::status(fs::path(folder / name)).permissions();
    CHECK(mode == fs::perms::owner_all);
  }
}

TEST_CASE("only a root makes a folder a store") {
  const ScratchFolder folder;
  std::string trouble;
  const auto none = open_folder_store(fs::path(folder / ""), false, {}, nullptr, trouble);
  CHECK(none.error() == StorageErrc::not_found);
  CHECK(fs::is_empty(fs::path(folder / "")));
  (void)opened(fs::path(folder / ""));
  CHECK(open_folder_store(fs::path(folder / ""), false, {}, nullptr, trouble).has_value());
}

TEST_CASE("a plain root of an older format becomes a router's root, with everything that it held") {
  const ScratchFolder folder;
  Contents before;
  {
    const auto old = leveldb_backend({.folder = folder / "root"});
    REQUIRE(old->open());
    before = fill_old_root(*old);
  }
  {
    const auto store = opened(fs::path(folder / ""));
    CHECK(contents_of(*store) == before);
    CoreTable table(*store, *store, "boot");
    CHECK(table.open());
    CHECK(table.identity().value().has_value());
  }
  // An older program finds a format that it refuses.
  const auto root = leveldb_backend({.folder = folder / "root"});
  REQUIRE(root->open());
  CHECK(CoreTable(*root, *root, "boot").open().error() == StorageErrc::newer_format);
  CHECK(prepare_root(*root));
}

TEST_CASE(
    "a root that is gone beside its stores is damage, not a folder without a store, and can be made again") {
  const ScratchFolder folder;
  const Buffer key = value_key(as_bytes("k"));
  REQUIRE(opened(fs::path(folder / ""))->put(key, as_bytes("value"), {}, Durable::yes));
  fs::remove_all(fs::path(folder / "root"));
  std::string trouble;
  for (const bool create : {false, true}) {
    const auto lost = open_folder_store(fs::path(folder / ""), create, {}, nullptr, trouble);
    CHECK(lost.error() == StorageErrc::damaged);
    CHECK(trouble.find("root was lost") != std::string::npos);
  }
  StorageOptions options;
  options.rebuild_root = true;
  const auto store = open_folder_store(fs::path(folder / ""), false, options, nullptr, trouble);
  REQUIRE(store.has_value());
  Buffer out;
  CHECK((*store)->get(key, out).error() == StorageErrc::not_found);
  CHECK(rebuild_root(**store).value() == 1);
  CHECK(value_of(**store, as_text(key)) == "value");
}

TEST_CASE("a fresh key is a text behind the byte of applications' values") {
  const ScratchFolder folder;
  const auto store = opened(fs::path(folder / ""));
  const auto posted = store->post(as_bytes("value"), {}, Durable::no);
  REQUIRE(posted.has_value());
  const auto key = key_of_value(*posted);
  REQUIRE(key.has_value());
  CHECK(key->size() == 32);
  CHECK(from_hex(as_text(*key)).has_value());
}

TEST_CASE("a value's key may have 1,024 bytes, wherever the value goes") {
  const ScratchFolder folder;
  const auto store = opened(fs::path(folder / ""));
  const std::string longest(value_key_bytes_most, 'k');
  for (const std::size_t size : {std::size_t{1}, std::size_t{large_value_bytes}}) {
    REQUIRE(store->put(value_key(as_bytes(longest)), Buffer(size), {}, Durable::no));
    CHECK(store->put(value_key(as_bytes(longest + "k")), Buffer(size), {}, Durable::no).error() ==
          StorageErrc::too_large);
  }
}

TEST_CASE("a format of the future is refused, and nothing is changed") {
  const ScratchFolder folder;
  {
    const auto root = leveldb_backend({.folder = folder / "root"});
    REQUIRE(root->open());
    const std::byte format[] = {std::byte{4}, std::byte{0}, std::byte{0}, std::byte{0}};
    REQUIRE(root->put(keys::format(), format, {}, Durable::yes));
  }
  std::string trouble;
  CHECK(open_folder_store(fs::path(folder / ""), true, {}, nullptr, trouble).error() ==
        StorageErrc::newer_format);
  CHECK(!fs::exists(fs::path(folder / "large")));
}

TEST_CASE("a migration that is cut off anywhere goes on at the next opening") {
  Contents expected;
  for (const Unsynced unsynced : {Unsynced::kept, Unsynced::dropped, Unsynced::torn}) {
    for (std::uint64_t at = 0;; ++at) {
      FaultEnv env;
      const auto root = [&] { return leveldb_backend({.folder = "/root"}, {.env = &env}); };
      {
        const auto old = root();
        REQUIRE(old->open());
        expected = fill_old_root(*old);
      }
      env.crash_at(env.operations() + at);
      {
        const auto store = root();
        if (store->open()) (void)prepare_root(*store);
      }
      const bool crashed = env.crashed();
      env.lose_power(unsynced);
      INFO("operation ", at);
      RouterOptions options;
      options.root.owned = root();
      options.mapper = route_mapper({}, {});
      REQUIRE(options.root.owned->open());
      REQUIRE(prepare_root(*options.root.owned));
      const auto routed = router(std::move(options));
      REQUIRE(routed->open());
      REQUIRE(contents_of(*routed) == expected);
      if (!crashed) break;
    }
  }
}

TEST_CASE("a rebalance moves the large blocks of a migrated folder out of the root") {
  const ScratchFolder folder;
  const keys::Key large = keys::block({1}, {0}), small = keys::block({1}, {1});
  Contents expected;
  {
    const auto root = leveldb_backend({.folder = folder / "root"});
    REQUIRE(root->open());
    REQUIRE(root->put(large, as_bytes(std::string(large_value_bytes, 'l')), {}, Durable::no));
    REQUIRE(root->put(small, as_bytes(std::string(large_value_bytes - 1, 's')), {}, Durable::no));
    REQUIRE(
        root->put(keys::manifest({1}), as_bytes(std::string(2 * large_value_bytes, 'm')), {}, Durable::no));
    REQUIRE(root->put(keys::format(), as_bytes(std::string("\2\0\0\0", 4)), {}, Durable::yes));
    expected = contents_of(*root);
  }
  const auto store = opened(fs::path(folder / ""));
  CHECK(stores_of(*store, as_text(large)) == "root ");
  const CheckReport moved = check_all(*store, {.rebalance = true});
  REQUIRE(moved.findings.size() == 1);
  CHECK(moved.findings[0].mended);
  CHECK(stores_of(*store, as_text(large)) == "large ");
  CHECK(stores_of(*store, as_text(small)) == "root ");
  CHECK(stores_of(*store, as_text(keys::manifest({1}))) == "root ");
  CHECK(check_all(*store, {.rebalance = true}).findings.empty());
  Contents now = contents_of(*store);
  for (const auto& [key, value] : expected)
    if (as_bytes(key).front() != std::byte{1}) CHECK(now[key] == value);
}

TEST_CASE(
    "two stores on two folders, one deleted while nothing runs: all is readable, and repair restores both") {
  const ScratchFolder folder, first, second;
  const StorageOptions options = two_disks(fs::path(first / "store"), fs::path(second / "store"));
  Contents expected;
  {
    const auto store = opened(fs::path(folder / ""), options);
    for (int i = 0; i < 50; ++i) {
      const std::string key = "key " + std::to_string(i);
      expected[key] = std::string(100 + i * 200, static_cast<char>('a' + i % 26));
      const Traits traits = i % 2 == 0 ? block_traits : Traits{};
      REQUIRE(store->put(as_bytes(key), as_bytes(expected[key]), traits, Durable::no));
    }
  }
  const fs::path places[] = {fs::path(first / "store"), fs::path(second / "store")};
  for (const fs::path& lost : places) {
    fs::remove_all(lost);
    const auto store = opened(fs::path(folder / ""), options);
    CHECK(contents_of(*store) == expected);
    const CheckReport found = check_all(*store);
    CHECK(found.findings.size() == 50);
    const CheckReport mended = check_all(*store, {.repair = true});
    CHECK(mended.findings.size() == 50);
    for (const RouterFinding& finding : mended.findings) CHECK(finding.mended);
    CHECK(check_all(*store).findings.empty());
    CHECK(bytes_in(lost) > 100'000);
  }
  // Each alone has everything now.
  fs::remove_all(fs::path(second / "store"));
  CHECK(contents_of(*opened(fs::path(folder / ""), options)) == expected);
}

TEST_CASE("a disk that is not there leaves the rest in service") {
  const ScratchFolder folder, first, second;
  const StorageOptions options = two_disks(fs::path(first / "store"), fs::path(second / "disk/store"));
  {
    std::string trouble;
    const auto store = open_folder_store(fs::path(folder / ""), true, options, nullptr, trouble);
    CHECK(!store);  // a store that is new to a root has to answer
    CHECK(trouble.find("second") != std::string::npos);
  }
  fs::create_directory(fs::path(second / "disk"));
  {
    const auto store = opened(fs::path(folder / ""), options);
    REQUIRE(put(*store, "both", "long enough for both"));
    REQUIRE(put(*store, "one", "short"));
  }
  fs::rename(fs::path(second / "disk"), fs::path(second / "away"));
  const auto store = opened(fs::path(folder / ""), options);
  CHECK(value_of(*store, "both") == "long enough for both");
  CHECK(put(*store, "one", "again"));
  CHECK(!put(*store, "both", "long enough for both again"));
  CHECK(!store->store_trouble("second").empty());
  fs::rename(fs::path(second / "away"), fs::path(second / "disk"));
  CHECK(put(*store, "both", "long enough for both again"));
  CHECK(check_all(*store).findings.empty());
}

TEST_CASE("with copies_least = 1 a disk that is not there stops no put, and repair brings its copies later") {
  const ScratchFolder folder, first, second;
  StorageOptions options = two_disks(fs::path(first / "store"), fs::path(second / "disk/store"));
  options.copies_least = 1;
  fs::create_directory(fs::path(second / "disk"));
  REQUIRE(put(*opened(fs::path(folder / ""), options), "both", "long enough for both"));
  fs::rename(fs::path(second / "disk"), fs::path(second / "away"));
  const auto store = opened(fs::path(folder / ""), options);
  CHECK(put(*store, "both", "long enough for both again"));
  CHECK(value_of(*store, "both") == "long enough for both again");
  fs::rename(fs::path(second / "away"), fs::path(second / "disk"));
  const CheckReport mended = check_all(*store, {.repair = true});
  REQUIRE(mended.findings.size() == 1);
  CHECK(mended.findings[0].kind == RouterFinding::Kind::missing_copy);
  CHECK(mended.findings[0].mended);
  CHECK(check_all(*store).findings.empty());
}

TEST_CASE("what others put into a store marked `adopt` while nothing ran is there at the next opening") {
  const ScratchFolder folder, first, second;
  StorageOptions options = two_disks(fs::path(first / "store"), fs::path(second / "store"));
  for (StoreConfig& store : options.stores) store.adopt = true;
  (void)opened(fs::path(folder / ""), options);
  {
    const auto theirs = leveldb_backend({.folder = first / "store"});
    REQUIRE(theirs->open());
    REQUIRE(put(*theirs, "a key of theirs", "a value of theirs"));
    REQUIRE(put(*theirs, "another", "short"));
  }
  for (int again = 0; again < 2; ++again) {
    const auto store = opened(fs::path(folder / ""), options);
    std::multiset<std::string> found;
    for (const auto& [key, value] : contents_of(*store)) {
      CHECK(key_of_value(as_bytes(key)).has_value());
      found.insert(value);
    }
    CHECK(found == std::multiset<std::string>{"a value of theirs", "short"});
    CHECK(check_all(*store).findings.empty());
  }
}

TEST_CASE("options that contradict each other are misuse") {
  const ScratchFolder folder;
  std::string trouble;
  StorageOptions options = two_disks("a", "b");
  options.fallback = "third";
  CHECK_THROWS_AS((void)open_folder_store(fs::path(folder / ""), true, options, nullptr, trouble),
                  std::invalid_argument);
}

}  // namespace sheaf::test
