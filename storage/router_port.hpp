// One labelled store as the router sees it: behind its lane, with a memory of its failures.
//
// A call that outlives its deadline answers timed_out and leaves the store failed: nothing more is asked of
// it before that call has returned and the store was reopened, which the next call that needs it does.
// Threads: any.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>

#include "sheaf/storage/router.hpp"
#include "storage/router_records.hpp"

namespace sheaf {

// Whether a sweep is due. It stays due until one has ended that began after the last reason for it.
class SweepsDue {
 public:
  bool due() const { return ended_ != reasons_; }
  void ask() { ++reasons_; }
  // What a sweep that begins now takes care of; said again when it has ended well.
  std::uint64_t begin() const { return reasons_; }
  void end(std::uint64_t begun) { ended_ = begun; }

 private:
  std::atomic<std::uint64_t> reasons_{1};  // nobody knows what an earlier process has left
  std::atomic<std::uint64_t> ended_{0};
};

class RouterPort {
 public:
  RouterPort(RoutedStore store, std::chrono::milliseconds deadline);

  const std::string& label() const { return label_; }
  bool adopts() const { return adopt_; }
  Backend& backend() { return *backend_; }

  // Its number in the root; given when the router opens.
  router_records::StoreNumber number = 0;
  // Versions below are settled here: no copy is left of a put that never came to be.
  std::atomic<std::uint64_t> settled{0};
  // Copies of versions below were here before this root knew the store: nobody removes them.
  std::uint64_t joined = 0;
  // A copy of such a put may be here still; `settled` stays until a sweep.
  SweepsDue sweeps;
  // Something was written that was not synced.
  std::atomic<bool> unsynced{false};
  // It has answered since the router was opened. Before, nobody knows what is in it.
  std::atomic<bool> seen{false};

  // Opens what is owned. Whatever happens the port may be used; it tries again when it is needed.
  Result<void> open();
  void close();

  bool healthy() const { return !failed_ && !backend_->poisoned(); }
  // Reopens the store if it has to be.
  Result<void> ready();

  Result<void> get(Bytes key, Buffer& out, Checked checked);
  Result<bool> has(Bytes key);
  Result<void> write(const Batch& batch, Durable durable);
  Result<void> sync();
  // In a lane, page by page. The port outlives the walk.
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range);

  // Others may have put something here while nobody followed.
  std::atomic<bool> strangers_due{true};
  // Where others' writes are followed: the changes, and the keys of our own that will show up among them.
  std::unique_ptr<Changes> changes;
  void expect_own(const Batch& batch);
  bool take_own(Bytes key);

  std::string trouble() const;

 private:
  template <class T>
  Result<T> call(std::function<Result<T>()> work);
  Result<void> readable();
  Result<void> reopen();
  void follow();
  void first_seen();
  Error failed(const Error& error);

  const std::string label_;
  const std::shared_ptr<Backend> backend_;  // shared with calls that outlive their deadline
  const bool owned_;
  const std::unique_ptr<Lane> own_lane_;
  Lane* const lane_;
  const bool adopt_;
  const std::chrono::milliseconds deadline_;

  std::mutex reopening_;
  std::mutex syncing_;  // who finds nothing unsynced may rely on it
  std::atomic<bool> failed_{true};
  mutable std::mutex state_;                 // guards what follows
  std::shared_ptr<std::atomic<bool>> late_;  // whether the late call has returned
  std::string trouble_;
  std::multiset<Buffer> own_;
};

}  // namespace sheaf
