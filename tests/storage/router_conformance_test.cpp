// The router is a backend as any other, also where its stores are routers.
#include "storage/leveldb_seams.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {
namespace {

class OverMemory final : public BackendSubject {
 public:
  OverMemory() {
    RouterOptions options;
    options.root.owned = memory_backend({.faults = &faults_});
    for (const char* label : {"0", "1", "2", "3"})
      options.stores.push_back({.label = label, .owned = memory_backend()});
    options.mapper = std::make_unique<DigitMapper>();
    store_ = router(std::move(options));
  }
  Backend& store() override { return *store_; }
  void fail_next_write() override { faults_.fail_next = true; }

 private:
  Faults faults_;
  std::unique_ptr<Router> store_;
};

class OverLevelDb final : public BackendSubject {
 public:
  OverLevelDb() {
    RouterOptions options;
    options.root.owned =
        leveldb_backend({.folder = "/root", .write_buffer_bytes = 64 * 1024}, {.env = &env_});
    options.stores.push_back(
        {.label = "large",
         .owned = leveldb_backend({.folder = "/large", .write_buffer_bytes = 64 * 1024}, {.env = &env_})});
    options.mapper = size_mapper("large", 20);
    store_ = router(std::move(options));
  }
  Backend& store() override { return *store_; }
  void fail_next_write() override { env_.fail_next(); }

 private:
  FaultEnv env_;
  std::unique_ptr<Router> store_;
};

class OverRouters final : public BackendSubject {
 public:
  OverRouters() {
    RouterOptions options;
    options.root.owned = inner(&faults_);
    for (const char* label : {"0", "1", "2", "3"})
      options.stores.push_back({.label = label, .owned = inner(nullptr)});
    options.mapper = std::make_unique<DigitMapper>();
    store_ = router(std::move(options));
  }
  Backend& store() override { return *store_; }
  void fail_next_write() override { faults_.fail_next = true; }

 private:
  static std::unique_ptr<Router> inner(WriteFaults* faults) {
    RouterOptions options;
    options.root.owned = memory_backend({.faults = faults});
    options.stores.push_back({.label = "a", .owned = memory_backend()});
    options.stores.push_back({.label = "b", .owned = memory_backend()});
    options.mapper = size_mapper("b", 40);
    return router(std::move(options));
  }

  Faults faults_;
  std::unique_ptr<Router> store_;
};

}  // namespace

TEST_CASE("the router conforms over memory") {
  OverMemory subject;
  backend_conformance(subject);
}

TEST_CASE("the router conforms over LevelDB, on a file system that can fail") {
  OverLevelDb subject;
  backend_conformance(subject);
}

TEST_CASE("a router of routers conforms") {
  OverRouters subject;
  backend_conformance(subject);
}

}  // namespace sheaf::test
