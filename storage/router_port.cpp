#include "storage/router_port.hpp"

#include "storage/paged_cursor.hpp"

namespace sheaf {
namespace {

std::shared_ptr<Backend> shared(RoutedStore& store) {
  if (store.lent) return {store.lent, [](Backend*) {}};
  return std::move(store.owned);
}

// A batch that leaves its caller owns its values.
std::shared_ptr<Batch> owned_copy(const Batch& batch) {
  auto copy = std::make_shared<Batch>();
  copy->reserve(batch.size(), batch.bytes());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    if (operation.kind == Batch::Kind::put)
      copy->put_copy(operation.key, operation.value, operation.traits);
    else
      copy->del(operation.key, operation.traits);
  }
  return copy;
}

// A range that leaves its caller owns its bounds.
struct OwnedRange {
  Buffer gt, gte, lt, lte;
  KeyRange range;

  explicit OwnedRange(const KeyRange& of)
      : gt(to_buffer(of.gt)),
        gte(to_buffer(of.gte)),
        lt(to_buffer(of.lt)),
        lte(to_buffer(of.lte)),
        range(of) {
    range.gt = gt;
    range.gte = gte;
    range.lt = lt;
    range.lte = lte;
  }
  OwnedRange(const OwnedRange&) = delete;
  OwnedRange& operator=(const OwnedRange&) = delete;
};

Result<bool> has_key(Backend& backend, Bytes key) {
  auto cursor = backend.iterate({.gte = key, .lte = key, .keys_only = true, .limit = 1});
  if (!cursor) return {boost::system::in_place_error, cursor.error()};
  return (*cursor)->next();
}

}  // namespace

RouterPort::RouterPort(RoutedStore store, std::chrono::milliseconds deadline)
    : label_(store.label),
      backend_(shared(store)),
      owned_(store.lent == nullptr),
      own_lane_(std::move(store.own_lane)),
      lane_(own_lane_ ? own_lane_.get() : store.lane),
      adopt_(store.adopt),
      deadline_(deadline) {}

// Runs the work in the lane. The work owns all it touches, since it may go on after this has returned.
template <class T>
Result<T> RouterPort::call(std::function<Result<T>()> work) {
  if (!lane_) return work();
  struct Task final : Lane::Work {
    std::function<Result<T>()> work;
    std::optional<Result<T>> out;
    std::shared_ptr<std::atomic<bool>> returned = std::make_shared<std::atomic<bool>>(false);
    void run() override {
      out.emplace(work());
      *returned = true;
    }
  };
  {
    const std::lock_guard lock(state_);
    if (late_ && !*late_) return {boost::system::in_place_error, Error(StorageErrc::timed_out)};
  }
  auto task = std::make_shared<Task>();
  task->work = std::move(work);
  const auto returned = task->returned;
  if (lane_->run(task, deadline_)) return std::move(*task->out);
  failed_ = true;
  const std::lock_guard lock(state_);
  late_ = returned;
  trouble_ = "the store did not answer within its deadline";
  return {boost::system::in_place_error, Error(StorageErrc::timed_out)};
}

Error RouterPort::failed(const Error& error) {
  if (error == StorageErrc::timed_out) return error;  // the store may hold its lock still
  const std::lock_guard lock(state_);
  const std::string words = backend_->trouble();
  trouble_ = words.empty() ? error.message() : words;
  return error;
}

Result<void> RouterPort::open() {
  const std::lock_guard lock(reopening_);
  auto opened = call<void>([backend = backend_, owned = owned_]() -> Result<void> {
    return owned ? backend->open() : Result<void>();
  });
  if (!opened) return failed(opened.error());
  follow();
  first_seen();
  failed_ = false;
  return {};
}

// Nobody knows what an earlier process has synced.
void RouterPort::first_seen() {
  if (seen) return;
  unsynced = true;
  seen = true;
}

void RouterPort::close() {
  const std::lock_guard lock(reopening_);
  seen = false;
  if (changes) changes->stop();
  changes.reset();
  failed_ = true;
  sweeps.ask();
  if (!owned_) return;
  (void)call<void>([backend = backend_] { return backend->close(); });
}

void RouterPort::follow() {
  strangers_due = true;
  changes.reset();
  {
    const std::lock_guard lock(state_);
    own_.clear();
  }
  if (!adopt_) return;
  if (auto made = backend_->changes({})) changes = std::move(*made);
}

Result<void> RouterPort::reopen() {
  const std::lock_guard lock(reopening_);
  if (!failed_ && !backend_->poisoned()) return {};  // another thread was first
  auto opened = call<void>([backend = backend_] { return backend->reopen(); });
  if (!opened) {
    if (opened.error() != StorageErrc::full) failed_ = true;  // full: it stayed open for reading
    return failed(opened.error());
  }
  const std::lock_guard guard(state_);
  late_.reset();
  trouble_.clear();
  own_.clear();
  if (adopt_)
    if (auto made = backend_->changes({})) changes = std::move(*made);
  strangers_due = true;
  sweeps.ask();
  first_seen();
  failed_ = false;
  return {};
}

Result<void> RouterPort::ready() { return healthy() ? Result<void>() : reopen(); }

// Reading goes on beside a poisoned writer.
Result<void> RouterPort::readable() { return failed_ ? reopen() : Result<void>(); }

Result<void> RouterPort::get(Bytes key, Buffer& out, Checked checked) {
  if (auto able = readable(); !able) return able;
  if (!lane_) {
    auto got = backend_->get(key, out, checked);
    if (!got && got.error() != StorageErrc::not_found) return failed(got.error());
    return got;
  }
  auto got = call<Buffer>([backend = backend_, key = to_buffer(key), checked]() -> Result<Buffer> {
    Buffer value;
    if (auto read = backend->get(key, value, checked); !read) return read.error();
    return value;
  });
  if (!got) return got.error() == StorageErrc::not_found ? got.error() : failed(got.error());
  append(out, *got);
  return {};
}

Result<bool> RouterPort::has(Bytes key) {
  if (auto able = readable(); !able) return {boost::system::in_place_error, able.error()};
  return call<bool>([backend = backend_, key = to_buffer(key)] { return has_key(*backend, key); });
}

Result<void> RouterPort::write(const Batch& batch, Durable durable) {
  if (auto able = ready(); !able) return able;
  if (durable == Durable::no) unsynced = true;
  if (!lane_) {
    auto written = backend_->write(batch, durable);
    return written ? written : Result<void>(failed(written.error()));
  }
  auto written = call<void>(
      [backend = backend_, copy = owned_copy(batch), durable] { return backend->write(*copy, durable); });
  return written ? written : Result<void>(failed(written.error()));
}

Result<void> RouterPort::sync() {
  const std::lock_guard lock(syncing_);
  if (!unsynced) return {};
  if (auto able = ready(); !able) return able;
  unsynced = false;
  auto synced = call<void>([backend = backend_] { return backend->sync(); });
  if (synced) return {};
  unsynced = true;
  return failed(synced.error());
}

Result<std::unique_ptr<Cursor>> RouterPort::iterate(const KeyRange& range) {
  using Made = std::unique_ptr<Cursor>;
  if (auto able = readable(); !able) return able.error();
  if (!lane_) return backend_->iterate(range);
  auto made = call<Made>([backend = backend_, owned = std::make_shared<OwnedRange>(range)] {
    return backend->iterate(owned->range);
  });
  if (!made) return failed(made.error());
  // Shared with a page that outlives its deadline.
  const std::shared_ptr<Cursor> inner = std::move(*made);
  return paged_cursor([this, inner]() -> Result<CursorPage> {
    auto page = call<CursorPage>([inner]() -> Result<CursorPage> { return next_page(*inner); });
    if (!page) return failed(page.error());
    return page;
  });
}

void RouterPort::expect_own(const Batch& batch) {
  if (!adopt_) return;
  const std::lock_guard lock(state_);
  for (std::size_t i = 0; i < batch.size(); ++i) own_.insert(to_buffer(batch[i].key));
}

bool RouterPort::take_own(Bytes key) {
  const std::lock_guard lock(state_);
  const auto found = own_.find(to_buffer(key));
  if (found == own_.end()) return false;
  own_.erase(found);
  return true;
}

std::string RouterPort::trouble() const {
  const std::lock_guard lock(state_);
  return trouble_;
}

}  // namespace sheaf
