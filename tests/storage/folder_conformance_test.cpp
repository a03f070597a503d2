// The router that open_folder_store() makes, by the suite for backends. The suite's keys may be any bytes,
// and in a folder's store the first byte of a key says its role: state never leaves the root, a block's key
// is derived, and the folder's own record of its format is listed among the others. So the suite sees what an
// application sees, the keys behind value_key(). What it asks of post(), a key of 16 bytes, is not asked
// here: the folder gives fresh keys in hex digits. Nor is the failing write, which real files do not give on
// request.
#include "sheaf/storage/folder_store.hpp"
#include "sheaf/storage/value_keys.hpp"
#include "tests/storage/backend_conformance.hpp"
#include "tests/support/passing_backend.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {
namespace {

Bytes own_key(Bytes stored) {
  const auto key = key_of_value(stored);
  REQUIRE(key);
  return *key;
}

class ValueCursor final : public Cursor {
 public:
  explicit ValueCursor(std::unique_ptr<Cursor> inner) : inner_(std::move(inner)) {}
  Result<bool> next() override { return inner_->next(); }
  Bytes key() const override { return own_key(inner_->key()); }
  Bytes value() const override { return inner_->value(); }

 private:
  const std::unique_ptr<Cursor> inner_;
};

class ValueChanges final : public Changes {
 public:
  explicit ValueChanges(std::unique_ptr<Changes> inner) : inner_(std::move(inner)) {}
  std::optional<Change> try_next() override { return own(inner_->try_next()); }
  std::optional<Change> next() override { return own(inner_->next()); }
  void stop() override { inner_->stop(); }

 private:
  static std::optional<Change> own(std::optional<Change> change) {
    if (change && change->kind != Change::Kind::gap) change->key = to_buffer(own_key(change->key));
    return change;
  }

  const std::unique_ptr<Changes> inner_;
};

// A folder's store as an application sees it.
class Values final : public PassingBackend {
 public:
  explicit Values(std::unique_ptr<Backend> store) : PassingBackend(std::move(store)) {
    limits_ = PassingBackend::limits();
    limits_.key_bytes = value_key_bytes_most;
  }

  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override {
    return PassingBackend::get(value_key(key), out, checked);
  }
  Result<void> write(const Batch& batch, Durable durable) override {
    Batch stored;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Batch::Operation operation = batch[i];
      const Buffer key = value_key(operation.key);
      if (operation.kind == Batch::Kind::put)
        stored.put(key, operation.value, operation.traits);
      else
        stored.del(key, operation.traits);
    }
    return PassingBackend::write(stored, durable);
  }
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
    const ValueRange stored(range);
    auto cursor = PassingBackend::iterate(stored.stored());
    if (!cursor) return cursor.error();
    return std::unique_ptr<Cursor>(std::make_unique<ValueCursor>(std::move(*cursor)));
  }
  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override {
    Buffer prefix = value_key(as_bytes("k"));
    prefix.pop_back();
    append(prefix, options.prefix);
    ChangeOptions stored = options;
    stored.prefix = prefix;
    auto changes = PassingBackend::changes(stored);
    if (!changes) return changes.error();
    return std::unique_ptr<Changes>(std::make_unique<ValueChanges>(std::move(*changes)));
  }
  const StoreLimits& limits() const override { return limits_; }

 private:
  StoreLimits limits_;
};

void conforms(const StorageOptions& options) {
  const ScratchFolder folder;
  std::string trouble;
  auto made = open_folder_store(folder / "", true, options, nullptr, trouble);
  REQUIRE_MESSAGE(made, trouble);
  Values store(std::move(*made));
  SUBCASE("batches") { conforms_in_batches(store); }
  SUBCASE("iteration") { conforms_in_iteration(store); }
  SUBCASE("changes") { conforms_in_changes(store); }
  SUBCASE("random operations agree with a map") { conforms_to_a_map(store); }
}

}  // namespace

TEST_CASE("the values of a folder's store conform") { conforms({}); }

TEST_CASE("the values of a folder's store conform where routes give them no, one and two copies") {
  StorageOptions options;
  options.stores = {{.label = "first", .kind = StoreConfig::Kind::leveldb, .folder = "first"},
                    {.label = "second", .kind = StoreConfig::Kind::log, .folder = "second"}};
  options.routes = {{.min_size = 30, .to = {"first", "second"}}, {.min_size = 10, .to = {"second"}}};
  options.fallback = std::string(root_label);
  conforms(options);
}

}  // namespace sheaf::test
