#include "sheaf/net/thread_pool.hpp"

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

ThreadPool::ThreadPool(std::size_t threads) {
  invariant(threads > 0, "a pool has threads");
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::submit(std::unique_ptr<Job> job) {
  bool somebody_sleeps;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
    somebody_sleeps = idle_ > 0;
  }
  if (somebody_sleeps) arrived_.notify_one();
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (queue_.empty()) {
      if (closing_) return;
      ++idle_;
      arrived_.wait(lock);
      --idle_;
    }
    auto job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job->run();
    job.reset();
    lock.lock();
  }
}

}  // namespace sheaf
