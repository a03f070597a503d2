// A pool of real threads with one queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "sheaf/net/pool.hpp"

namespace sheaf {

// Jobs begin in the order of their submission. The destructor runs what is queued and joins the threads; the
// executors that jobs report to outlive it.
class ThreadPool final : public Pool {
 public:
  // Requires: threads > 0.
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool() override;

  void submit(std::unique_ptr<Job> job) override;

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sheaf
