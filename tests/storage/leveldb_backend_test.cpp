// What is LevelDB's own: faults of the medium, damage, locks, the floor of free space.
#include <algorithm>
#include <fstream>
#include <map>
#include <sys/stat.h>

#include <leveldb/db.h>

#include "storage/leveldb_seams.hpp"
#include "tests/storage/backend_conformance.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {
namespace {

std::unique_ptr<Backend> store_on(FaultEnv& env, std::size_t write_buffer = 256 * 1024) {
  return leveldb_backend({.folder = "/store", .write_buffer_bytes = write_buffer}, {.env = &env});
}

std::string key_of(int i) { return "key " + std::to_string(i); }
std::string value_of(int i) { return std::string(200, static_cast<char>('a' + i % 26)) + std::to_string(i); }

// How many of these are missing or altered, once everything unsynced is lost.
int lost(FaultEnv& env, const std::vector<int>& acknowledged) {
  env.fail_every_append(0);
  env.lose_power(Unsynced::dropped);
  const auto store = store_on(env);
  REQUIRE(store->open());
  int missing = 0;
  for (const int i : acknowledged)
    if (sheaf::test::value_of(*store, key_of(i)) != value_of(i)) ++missing;
  return missing;
}

class Gauge final : public SpaceGauge {
 public:
  Space measure() override { return {.free = free, .total = 100 * gib}; }
  static constexpr std::uint64_t gib = std::uint64_t{1} << 30;
  std::uint64_t free = 50 * gib;
};

}  // namespace

TEST_CASE("store.poison_after_failed_append: nothing acknowledged is lost after appends failed") {
  for (const std::uint64_t every : {701, 97}) {
    FaultEnv env;
    std::vector<int> acknowledged;
    int failures = 0;
    {
      const auto store = store_on(env);
      REQUIRE(store->open());
      env.fail_every_append(every);
      for (int i = 0; i < 2000; ++i) {
        if (put(*store, key_of(i), value_of(i), Durable::yes)) {
          acknowledged.push_back(i);
          continue;
        }
        ++failures;
        CHECK(put(*store, "in between", "x").error() == StorageErrc::poisoned);
        // Opening writes, too, and may meet the same fault.
        while (!store->reopen()) ++failures;
      }
    }
    CHECK(failures > 0);
    CHECK(acknowledged.size() > 100);
    CHECK(lost(env, acknowledged) == 0);
  }
}

TEST_CASE(
    "the fault is real: LevelDB itself goes on after a failed append, and loses what it acknowledges then") {
  FaultEnv env;
  leveldb::Options options;
  options.env = &env;
  options.create_if_missing = true;
  leveldb::WriteOptions synced;
  synced.sync = true;
  const auto open = [&] {
    leveldb::DB* opened = nullptr;
    REQUIRE(leveldb::DB::Open(options, "/store", &opened).ok());
    return std::unique_ptr<leveldb::DB>(opened);
  };
  std::vector<int> acknowledged;
  {
    const auto db = open();
    env.fail_every_append(700);
    for (int i = 0; i < 2000; ++i)
      if (db->Put(synced, key_of(i), value_of(i)).ok()) acknowledged.push_back(i);
  }
  env.fail_every_append(0);
  env.lose_power(Unsynced::dropped);
  const auto db = open();
  int missing = 0;
  std::string value;
  for (const int i : acknowledged)
    if (!db->Get({}, key_of(i), &value).ok()) ++missing;
  CHECK(missing > 0);
}

TEST_CASE("each failing operation in turn is an error at once or no harm at all") {
  for (std::uint64_t at = 0;; ++at) {
    FaultEnv env;
    std::vector<int> acknowledged;
    const auto store = store_on(env, 64 * 1024);
    env.fail_at(at);
    while (!store->open()) {
    }
    for (int i = 0; i < 700; ++i) {
      if (put(*store, key_of(i), value_of(i), i % 7 == 0 ? Durable::yes : Durable::no))
        acknowledged.push_back(i);
      else
        REQUIRE(store->reopen());
    }
    while (!store->sync()) REQUIRE(store->reopen());
    const bool reached = env.operations() > at;
    REQUIRE(store->close());
    INFO("operation ", at);
    REQUIRE(lost(env, acknowledged) == 0);
    if (!reached) break;
    if (at > 60) at += 37;  // the middle repeats itself
  }
}

TEST_CASE("a durable write makes everything before it durable, also what lies in an older log") {
  FaultEnv env;
  {
    const auto store = store_on(env, 64 * 1024);
    REQUIRE(store->open());
    env.hold_background(true);
    // The first write fills the buffer, so that the next one begins a new log.
    REQUIRE(put(*store, "early", std::string(80'000, 'e')));
    REQUIRE(put(*store, "late", "l", Durable::yes));
    env.crash_at(env.operations());
    env.hold_background(false);
  }
  env.lose_power(Unsynced::dropped);
  const auto store = store_on(env);
  REQUIRE(store->open());
  CHECK(sheaf::test::value_of(*store, "late") == "l");
  CHECK(sheaf::test::value_of(*store, "early") == std::string(80'000, 'e'));
}

TEST_CASE("a full disk says full, goes on reading, and loses nothing once there is space again") {
  FaultEnv env;
  env.fail_as_full();
  const auto store = store_on(env);
  REQUIRE(store->open());
  REQUIRE(put(*store, "a", "1", Durable::yes));
  env.fail_next();
  CHECK(put(*store, "b", "2", Durable::yes).error() == StorageErrc::full);
  CHECK(store->poisoned());
  CHECK(sheaf::test::value_of(*store, "a") == "1");
  REQUIRE(store->reopen());
  CHECK(put(*store, "b", "2", Durable::yes));
}

TEST_CASE("below the floor of free space only deletes are taken, and nothing is poisoned") {
  FaultEnv env;
  Gauge gauge;
  const auto store = leveldb_backend({.folder = "/store"}, {.env = &env, .space = &gauge});
  REQUIRE(store->open());
  REQUIRE(put(*store, "a", "1"));
  // One percent of 100 GiB is more than 64 MiB, so it is the floor.
  gauge.free = Gauge::gib;
  Error error;
  for (int i = 0; i < 100 && !error; ++i)
    if (auto done = put(*store, "b", std::string(1'000'000, 'b')); !done) error = done.error();
  CHECK(error == StorageErrc::full);
  CHECK(!store->poisoned());
  CHECK(sheaf::test::value_of(*store, "a") == "1");
  CHECK(store->del(as_bytes("a"), Durable::yes));
  CHECK(store->reopen().error() == StorageErrc::full);
  CHECK(sheaf::test::value_of(*store, "a") == "<not found>");
  gauge.free = 50 * Gauge::gib;
  CHECK(put(*store, "b", "2"));
  CHECK(store->reopen());
}

TEST_CASE("a folder that another store holds is locked") {
  const ScratchFolder folder;
  const auto first = leveldb_backend({.folder = folder / "store"});
  const auto second = leveldb_backend({.folder = folder / "store"});
  REQUIRE(first->open());
  CHECK(second->open().error() == StorageErrc::locked);
  CHECK(!second->trouble().empty());
  REQUIRE(first->close());
  CHECK(second->open());
}

TEST_CASE("the folder is made for its owner alone, and only when it is asked for") {
  const ScratchFolder folder;
  CHECK(leveldb_backend({.folder = folder / "store", .create = false})->open().error() ==
        StorageErrc::not_found);
  CHECK(!std::filesystem::exists(folder / "store"));
  const auto store = leveldb_backend({.folder = folder / "store"});
  REQUIRE(store->open());
  struct stat status;
  REQUIRE(::stat((folder / "store").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("a store whose CURRENT file is gone is damaged, and is not made new") {
  FaultEnv env;
  {
    const auto store = store_on(env);
    REQUIRE(store->open());
    REQUIRE(put(*store, "a", "1"));
  }
  const auto before = env.contents();
  REQUIRE(env.RemoveFile("/store/CURRENT").ok());
  const auto store = store_on(env);
  CHECK(store->open().error() == StorageErrc::damaged);
  CHECK(!store->trouble().empty());
  CHECK(env.contents().size() == before.size() - 1);
  env.restore(before);
  REQUIRE(store->open());
  CHECK(sheaf::test::value_of(*store, "a") == "1");
}

// Damage at the very end of a log or of the manifest is for LevelDB a write that was cut off: it is not seen,
// and what stood there is missing. Nowhere else is anything missing, and nothing is ever given altered.
TEST_CASE("a log's last record with an altered length is damage; one that was cut off is not") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "store";
  {
    const auto store = leveldb_backend({.folder = folder});
    REQUIRE(store->open());
    for (int i = 0; i < 3; ++i)
      REQUIRE(store->put(as_bytes(key_of(i)), as_bytes(value_of(i)), {}, Durable::no));
  }
  const std::string log = folder + "/000003.log";
  std::string whole;
  {
    std::ifstream in(log, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE(whole.size() % 3 == 0);
  const std::size_t record = whole.size() / 3;
  const auto write_log = [&](const std::string& bytes) { std::ofstream(log, std::ios::binary) << bytes; };

  for (std::size_t at = 0; at < 3 * record; at += record) {
    for (int bit = 3; bit < 8; ++bit) {
      std::string altered = whole;
      altered[at + 5] = static_cast<char>(altered[at + 5] ^ (1 << bit));
      write_log(altered);
      INFO("record at ", at, ", bit ", bit);
      CHECK(leveldb_backend({.folder = folder})->open().error() == make_error_code(StorageErrc::damaged));
    }
  }
  for (const std::size_t cut : {std::size_t{1}, record / 2, record - 1}) {
    const ScratchFolder copy;
    std::filesystem::copy(folder, copy / "cut");
    std::ofstream(copy / "cut/000003.log", std::ios::binary) << whole.substr(0, whole.size() - cut);
    const auto store = leveldb_backend({.folder = copy / "cut"});
    INFO("cut by ", cut);
    REQUIRE(store->open());
    CHECK(sheaf::test::value_of(*store, key_of(1)) == value_of(1));
  }
  write_log(whole);
  const auto store = leveldb_backend({.folder = folder});
  REQUIRE(store->open());
  CHECK(sheaf::test::value_of(*store, key_of(2)) == value_of(2));
}

TEST_CASE("flipped bytes in any file give an error or the truth, never something else") {
  FaultEnv env;
  {
    const auto store = store_on(env, 64 * 1024);
    REQUIRE(store->open());
    for (int i = 0; i < 400; ++i) REQUIRE(put(*store, key_of(i), value_of(i), Durable::yes));
  }
  const auto whole = env.contents();
  const auto random = seeded_random(3);
  int errors = 0;
  for (const auto& file : whole) {
    const std::string& name = file.first;
    const std::string& bytes = file.second;
    for (int n = 0; n < 40 && !bytes.empty(); ++n) {
      auto flipped = whole;
      flipped[name][random->below(bytes.size())] ^= static_cast<char>(1 + random->below(255));
      env.restore(flipped);
      const auto store = store_on(env);
      if (!store->open()) {
        ++errors;
        continue;
      }
      for (int i = 0; i < 400; ++i) {
        Buffer out;
        const auto got = store->get(as_bytes(key_of(i)), out);
        if (!got) {
          ++errors;
          if (name.ends_with(".ldb"))
            REQUIRE_MESSAGE(got.error() == StorageErrc::damaged, name, ": ", got.error().message());
        } else {
          REQUIRE_MESSAGE(text(out) == value_of(i), name);
        }
      }
    }
  }
  CHECK(errors > 0);
}

TEST_CASE(
    "a walk over a table with a damaged block fails there, and leaves nothing out before, within bounds "
    "too") {
  FaultEnv env;
  std::map<std::string, std::string> all;
  for (int round = 0; round < 2; ++round) {
    const auto store = store_on(env);  // opening moves the log of the round before to a table
    REQUIRE(store->open());
    for (int i = 0; i < 400 && round == 0; ++i) {
      all[key_of(i)] = value_of(i);
      REQUIRE(put(*store, key_of(i), value_of(i), Durable::yes));
    }
  }
  auto files = env.contents();
  const auto table =
      std::find_if(files.begin(), files.end(), [](const auto& file) { return file.first.ends_with(".ldb"); });
  REQUIRE(table != files.end());
  table->second[table->second.size() / 2] ^= 1;
  env.restore(files);
  const auto store = store_on(env);
  REQUIRE(store->open());
  const std::string first = key_of(1), last = key_of(98);  // there are keys on either side
  for (const bool reverse : {false, true}) {
    auto cursor = store->iterate({.gte = as_bytes(first), .lte = as_bytes(last), .reverse = reverse});
    REQUIRE(cursor);
    auto expected = reverse ? std::prev(all.upper_bound(last)) : all.lower_bound(first);
    std::size_t seen = 0;
    auto more = (*cursor)->next();
    for (; more && *more; more = (*cursor)->next()) {
      REQUIRE(as_text((*cursor)->key()) == expected->first);
      REQUIRE(as_text((*cursor)->value()) == expected->second);
      reverse ? --expected : ++expected;
      ++seen;
    }
    CHECK(more.error() == StorageErrc::damaged);
    CHECK((*cursor)->next().error() == StorageErrc::damaged);
    CHECK(seen > 0);
    CHECK(seen < 395);
  }
}

TEST_CASE("a folder that there is no place for is an error that says so, and no damage") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "nowhere/store";
  const auto store = leveldb_backend({.folder = folder});
  CHECK(store->open().error() == StorageErrc::io_error);
  CHECK(store->trouble().find(folder) != std::string::npos);
}

}  // namespace sheaf::test
