// A pool of real threads that says whether it has work, so that a test with a virtual clock lets no time pass
// while a thread has something to say.
#pragma once

#include <atomic>
#include <memory>

#include "sheaf/net/thread_pool.hpp"

namespace sheaf::test {

class BusyPool final : public Pool {
 public:
  explicit BusyPool(std::size_t threads) : threads_(threads) {}

  // False: nothing was handed in that has not been done, and what it led to has been posted.
  bool busy() const { return unfinished_ > 0; }

  void submit(std::unique_ptr<Job> job) override {
    ++unfinished_;
    threads_.submit(std::make_unique<Counted>(std::move(job), unfinished_));
  }

 private:
  class Counted final : public Job {
   public:
    Counted(std::unique_ptr<Job> job, std::atomic<std::size_t>& unfinished)
        : job_(std::move(job)), unfinished_(unfinished) {}
    void run() noexcept override {
      job_->run();
      job_.reset();
      --unfinished_;
    }

   private:
    std::unique_ptr<Job> job_;
    std::atomic<std::size_t>& unfinished_;
  };

  std::atomic<std::size_t> unfinished_{0};
  ThreadPool threads_;
};

}  // namespace sheaf::test
