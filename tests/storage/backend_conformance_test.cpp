#include "tests/storage/backend_conformance.hpp"

#include "sheaf/storage/memory_backend.hpp"
#include "storage/leveldb_seams.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/fault_segments.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {
namespace {

class MemorySubject final : public BackendSubject, WriteFaults {
 public:
  MemorySubject() : store_(memory_backend({.faults = this})) {}
  Backend& store() override { return *store_; }
  void fail_next_write() override { fail_ = true; }

 private:
  Error before_write(const Batch&, Durable) override {
    if (!std::exchange(fail_, false)) return {};
    return StorageErrc::io_error;
  }

  bool fail_ = false;
  std::unique_ptr<Backend> store_;
};

class LevelDbSubject final : public BackendSubject {
 public:
  explicit LevelDbSubject(const RecordCacheOptions& records = {})
      : store_(leveldb_backend({.folder = "/store", .write_buffer_bytes = 64 * 1024},
                               {.env = &env_, .records = records})) {}
  Backend& store() override { return *store_; }
  void fail_next_write() override { env_.fail_next(); }

 private:
  FaultEnv env_;
  std::unique_ptr<Backend> store_;
};

class LogSubject final : public BackendSubject {
 public:
  explicit LogSubject(const LogOptions& options) : store_(log_on(env_, options)) {}
  Backend& store() override { return *store_; }
  void fail_next_write() override { env_.fail_next(); }

 private:
  FaultEnv env_;
  std::unique_ptr<Backend> store_;
};

}  // namespace

TEST_CASE("the memory backend conforms") {
  MemorySubject subject;
  backend_conformance(subject);
}

TEST_CASE("the LevelDB backend conforms, on a file system that can fail") {
  LevelDbSubject subject;
  backend_conformance(subject);
}

TEST_CASE("the LevelDB backend conforms with its records in memory") {
  LevelDbSubject subject({.bytes = 4'000'000});
  backend_conformance(subject);
}

TEST_CASE("the LevelDB backend conforms with few of its records in memory") {
  LevelDbSubject subject({.bytes = 70'000});
  backend_conformance(subject);
}

TEST_CASE("the value log conforms, on a file system that can fail") {
  LogSubject subject({.folder = "/log"});
  backend_conformance(subject);
}

TEST_CASE("the value log conforms with small segments and constant checkpoints") {
  LogSubject subject(
      {.folder = "/log", .segment_bytes = 1024, .checkpoint_bytes = 100, .checkpoint_keys = 3});
  backend_conformance(subject);
}

TEST_CASE("the value log conforms on real files") {
  const ScratchFolder folder;
  const auto made = log_backend({.folder = folder / "log"});
  Backend& store = *made;
  REQUIRE(store.open());
  SUBCASE("reading and writing") { conforms_in_reading_and_writing(store); }
  SUBCASE("batches") { conforms_in_batches(store); }
  SUBCASE("iteration") { conforms_in_iteration(store); }
  SUBCASE("changes") { conforms_in_changes(store); }
  SUBCASE("random operations agree with a map") { conforms_to_a_map(store); }
}

TEST_CASE("the LevelDB backend conforms on real files") {
  // Without the failing write, which real files do not give on request.
  const ScratchFolder folder;
  const auto made = leveldb_backend({.folder = folder / "store"});
  Backend& store = *made;
  REQUIRE(store.open());
  SUBCASE("reading and writing") { conforms_in_reading_and_writing(store); }
  SUBCASE("batches") { conforms_in_batches(store); }
  SUBCASE("iteration") { conforms_in_iteration(store); }
  SUBCASE("changes") { conforms_in_changes(store); }
  SUBCASE("random operations agree with a map") { conforms_to_a_map(store); }
}

}  // namespace sheaf::test
