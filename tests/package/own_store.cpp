// A store of an embedder's own, held against the suite that came with the headers and that Sheaf's stores
// pass.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sheaf/conformance/backend.hpp>
#include <sheaf/storage/memory_backend.hpp>

#include <doctest/doctest.h>

namespace {

using namespace sheaf;

// Passes everything on to a store in memory; a real one would keep it somewhere.
class OwnStore final : public Backend {
 public:
  Result<void> open() override { return kept_->open(); }
  Result<void> close() override { return kept_->close(); }
  Result<void> get(Bytes key, Buffer& out, Checked checked) override { return kept_->get(key, out, checked); }
  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override {
    return kept_->post(value, traits, durable);
  }
  Result<void> write(const Batch& batch, Durable durable) override {
    return forgets ? Result<void>() : kept_->write(batch, durable);
  }
  Result<void> sync() override { return kept_->sync(); }
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override { return kept_->iterate(range); }
  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override {
    return kept_->changes(options);
  }
  bool poisoned() const override { return kept_->poisoned(); }
  const StoreLimits& limits() const override { return kept_->limits(); }
  std::string trouble() const override { return kept_->trouble(); }

  bool forgets = false;
  bool fails_next = false;

 private:
  struct Medium final : WriteFaults {
    explicit Medium(bool& fails) : fails_next(fails) {}
    Error before_write(const Batch&, Durable) override {
      return std::exchange(fails_next, false) ? Error(StorageErrc::io_error) : Error();
    }
    bool& fails_next;
  };

  Medium medium_{fails_next};
  const std::unique_ptr<Backend> kept_ = memory_backend({.faults = &medium_});
};

class OwnSubject final : public conformance::BackendSubject {
 public:
  Backend& store() override { return store_; }
  void fail_next_write() override { store_.fails_next = true; }

 private:
  OwnStore store_;
};

}  // namespace

TEST_CASE("a store of an embedder's own conforms") {
  OwnSubject subject;
  conformance::backend_conformance(subject);
}

TEST_CASE("a store that forgets what it acknowledged does not" * doctest::should_fail()) {
  OwnStore store;
  store.forgets = true;
  REQUIRE(store.open());
  conformance::conforms_in_reading_and_writing(store);
}
