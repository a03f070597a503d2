#include "sheaf/storage/memory_backend.hpp"

#include <atomic>
#include <map>
#include <shared_mutex>

#include "storage/backend_support.hpp"
#include "storage/change_hub.hpp"

namespace sheaf {
namespace {

using Value = std::shared_ptr<const Buffer>;

struct KeyOrder {
  using is_transparent = void;
  bool operator()(Bytes a, Bytes b) const { return as_text(a) < as_text(b); }
};

using Entries = std::map<Buffer, Value, KeyOrder>;

// The snapshot is a list of the entries; their values are shared with the store.
class MemoryCursor final : public Cursor {
 public:
  explicit MemoryCursor(std::vector<std::pair<Buffer, Value>> entries, bool keys_only)
      : entries_(std::move(entries)), keys_only_(keys_only) {}
  Result<bool> next() override { return ++at_ <= entries_.size(); }
  Bytes key() const override { return entries_[at_ - 1].first; }
  Bytes value() const override { return keys_only_ ? Bytes{} : Bytes(*entries_[at_ - 1].second); }

 private:
  std::vector<std::pair<Buffer, Value>> entries_;
  std::size_t at_ = 0;
  bool keys_only_;
};

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(const MemoryOptions& options) : options_(options), fresh_keys_(options.random) {}

  Result<void> open() override {
    const std::unique_lock lock(mutex_);
    open_ = true;
    poisoned_ = false;
    return {};
  }

  Result<void> close() override {
    const std::unique_lock lock(mutex_);
    open_ = false;
    changes_.end();
    return {};
  }

  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked) override {
    const std::shared_lock lock(mutex_);
    if (!open_) return StorageErrc::closed;
    const auto found = entries_.find(key);
    if (found == entries_.end()) return StorageErrc::not_found;
    append(out, *found->second);
    return {};
  }

  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override {
    Buffer key = fresh_keys_.next();
    if (auto stored = put(key, value, traits, durable); !stored) return stored.error();
    return key;
  }

  Result<void> write(const Batch& batch, Durable durable) override {
    if (auto fits = check_limits(batch, options_.limits); !fits) return fits;
    const std::unique_lock lock(mutex_);
    if (!open_) return StorageErrc::closed;
    if (poisoned_) return StorageErrc::poisoned;
    if (used_ + batch.bytes() > options_.capacity && !only_deletes(batch)) return StorageErrc::full;
    if (options_.faults) {
      if (const Error failure = options_.faults->before_write(batch, durable)) {
        poisoned_ = true;
        trouble_ = failure.message();
        return failure;
      }
    }
    for (std::size_t i = 0; i < batch.size(); ++i) apply(batch[i]);
    changes_.publish(batch);
    return {};
  }

  Result<void> sync() override { return write(Batch{}, Durable::yes); }

  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
    const Bounds bounds(range);
    const std::shared_lock lock(mutex_);
    if (!open_) return StorageErrc::closed;
    auto first = bounds.lower() ? entries_.lower_bound(*bounds.lower()) : entries_.begin();
    while (first != entries_.end() && !bounds.above_lower(first->first)) ++first;
    auto end = bounds.upper() ? entries_.upper_bound(*bounds.upper()) : entries_.end();
    while (end != entries_.begin() && !bounds.below_upper(std::prev(end)->first)) --end;
    std::vector<std::pair<Buffer, Value>> taken;
    if (first != entries_.end() && (end == entries_.end() || KeyOrder{}(first->first, end->first))) {
      if (range.reverse)
        for (auto at = end; at != first && taken.size() < range.limit;) taken.emplace_back(*--at);
      else
        for (auto at = first; at != end && taken.size() < range.limit; ++at) taken.emplace_back(*at);
    }
    return std::unique_ptr<Cursor>(std::make_unique<MemoryCursor>(std::move(taken), range.keys_only));
  }

  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override {
    const std::unique_lock lock(mutex_);
    if (!open_) return StorageErrc::closed;
    return changes_.subscribe(options);
  }

  bool poisoned() const override { return poisoned_; }
  const StoreLimits& limits() const override { return options_.limits; }
  std::string trouble() const override {
    const std::shared_lock lock(mutex_);
    return trouble_;
  }

 private:
  void apply(const Batch::Operation& operation) {
    const auto found = entries_.find(operation.key);
    if (found != entries_.end()) used_ -= operation.key.size() + found->second->size();
    switch (operation.kind) {
      case Batch::Kind::put: {
        auto value = std::make_shared<const Buffer>(to_buffer(operation.value));
        used_ += operation.key.size() + value->size();
        if (found != entries_.end())
          found->second = std::move(value);
        else
          entries_.emplace(to_buffer(operation.key), std::move(value));
        return;
      }
      case Batch::Kind::del:
        if (found != entries_.end()) entries_.erase(found);
        return;
    }
  }

  const MemoryOptions options_;
  FreshKeys fresh_keys_;
  mutable std::shared_mutex mutex_;
  Entries entries_;
  std::uint64_t used_ = 0;
  bool open_ = false;
  std::atomic<bool> poisoned_{false};
  std::string trouble_;
  ChangeHub changes_;
};

}  // namespace

std::unique_ptr<Backend> memory_backend(const MemoryOptions& options) {
  return std::make_unique<MemoryBackend>(options);
}

}  // namespace sheaf
