// Where blocking and heavy work goes: threads in a running node, the strand itself in a simulation.
#pragma once

#include <memory>

namespace sheaf {

// A piece of work that owns its data. run() is called once, on any thread, and does not throw.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() noexcept = 0;
};

// Safe to call from any thread. Every job that was submitted is run, at the latest before the pool has gone.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual void submit(std::unique_ptr<Job> job) = 0;
};

}  // namespace sheaf
