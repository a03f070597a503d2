// Hands each acknowledged write of a store to its subscriptions, in order.
//
// publish() is called by the store under the lock that orders its writes; the rest by any thread. A
// subscription may outlive the hub.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "sheaf/storage/batch.hpp"
#include "sheaf/storage/changes.hpp"

namespace sheaf {

class ChangeHub {
 public:
  ChangeHub();
  ~ChangeHub();

  std::unique_ptr<Changes> subscribe(const ChangeOptions& options);
  void publish(const Batch& batch);
  // Each subscription gets a gap in place of what it holds: nobody knows what has changed.
  void gap();
  // Ends every subscription: each gives what it holds, then nothing.
  void end();

 private:
  class Queue;
  class Subscription;

  std::mutex mutex_;
  std::vector<std::weak_ptr<Queue>> queues_;
  std::atomic<bool> followed_{false};
  std::uint64_t batch_ = 0;
};

}  // namespace sheaf
