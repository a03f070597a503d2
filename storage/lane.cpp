#include "sheaf/storage/lane.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace sheaf {
namespace {

class ThreadLane final : public Lane {
 public:
  ThreadLane() : thread_([this] { serve(); }) {}
  ~ThreadLane() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    thread_.join();
  }

  bool run(std::shared_ptr<Work> work, std::chrono::milliseconds deadline) override {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = give(std::move(work));
    return changed_.wait_for(lock, deadline, [&] { return done_ >= ticket; });
  }

  void begin(std::shared_ptr<Work> work) override {
    const std::lock_guard lock(mutex_);
    give(std::move(work));
  }

 private:
  // Requires: mutex_ is held. Gives which one it is, counted from 1.
  std::uint64_t give(std::shared_ptr<Work> work) {
    waiting_.push_back(std::move(work));
    changed_.notify_all();
    return ++given_;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      work->run();
      work.reset();
      lock.lock();
      ++done_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Work>> waiting_;
  std::uint64_t given_ = 0;
  std::uint64_t done_ = 0;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace

std::unique_ptr<Lane> thread_lane() { return std::make_unique<ThreadLane>(); }

}  // namespace sheaf
