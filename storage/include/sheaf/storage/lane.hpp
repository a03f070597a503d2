// A thread of work beside the callers': where the calls to one store run, so that a slow store holds up
// nobody but those who need it, and where a router tidies up, so that nobody waits for that.
#pragma once

#include <chrono>
#include <memory>

namespace sheaf {

// Work is done one after another, in the order it was given.
class Lane {
 public:
  class Work {
   public:
    virtual ~Work() = default;
    virtual void run() = 0;
  };

  virtual ~Lane() = default;
  // Gives the work to the lane and waits for its end, at most until the deadline has passed: then false, and
  // the work goes on (or is begun) without its caller. Work owns what it touches.
  virtual bool run(std::shared_ptr<Work> work, std::chrono::milliseconds deadline) = 0;
  // Gives the work to the lane, and returns.
  virtual void begin(std::shared_ptr<Work> work) = 0;
};

// A thread of the lane's own. Destroying the lane waits for the work that it is at, and drops the rest.
std::unique_ptr<Lane> thread_lane();

}  // namespace sheaf
