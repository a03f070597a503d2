// The one owner of background coroutines: spawn, cancel, join.
#pragma once

#include <cstddef>
#include <exception>
#include <list>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "sheaf/net/signal.hpp"

namespace sheaf {

// Used from one strand, the one that the executor stands for. Shutting down is: cancel(), join(), destroy.
// Its tasks are told of cancellation by values, as net/error.hpp says.
class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  // Requires: empty(). What is left here at the end would outlive what it refers to.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // The task begins at the executor's next turn, never inside this call. After cancel() it begins cancelled.
  // What it throws cancels the others and is thrown by join().
  void spawn(boost::asio::awaitable<void> task);
  // Asks every task to end, for good: there is no way back.
  void cancel();
  // Ends when no task is left, however long that takes and even if the waiting coroutine is cancelled.
  boost::asio::awaitable<void> join();
  // The same, and passes a cancellation of the waiting coroutine on to the tasks.
  boost::asio::awaitable<void> join_or_cancel();

  bool empty() const { return tasks_.empty(); }
  std::size_t size() const { return tasks_.size(); }
  bool cancelled() const { return cancelled_; }
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Task {
    boost::asio::cancellation_signal stop;
    bool begun = false;
  };
  using Place = std::list<Task>::iterator;
  struct Ended;
  boost::asio::awaitable<void> run(Place self, boost::asio::awaitable<void> task);
  void ended(Place task, std::exception_ptr thrown);

  boost::asio::any_io_executor executor_;
  std::list<Task> tasks_;
  Signal changed_;  // cancelled, or empty
  std::exception_ptr thrown_;
  bool cancelled_ = false;
};

}  // namespace sheaf
