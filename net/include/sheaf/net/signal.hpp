// Where coroutines of one strand wait for one another.
#pragma once

#include <cstddef>

#include <boost/asio/awaitable.hpp>

#include "sheaf/protocol/error.hpp"

namespace sheaf {

namespace detail {
class Waiter;
}

// A condition without memory: notify() wakes those who wait at that moment, and is forgotten. Nothing runs
// between a check and the wait that follows it on one strand, so this is the way to use it:
//
//   while (!ready()) {
//     if (auto waited = co_await signal.wait(); !waited) co_return waited.error();
//   }
//
// notify() never runs a waiter: each goes on at its executor's next turn, in the order in which they began
// to wait. Whoever still waits when the signal is destroyed is destroyed with it.
class Signal {
 public:
  Signal() = default;
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  // Cancelling ends the wait at once with cancelled_error().
  boost::asio::awaitable<Result<void>> wait();
  // Deaf to cancellation: for waiting until something that has been asked to end has ended.
  boost::asio::awaitable<void> wait_through();

  void notify();
  bool awaited() const { return first_ != nullptr; }

 private:
  friend class detail::Waiter;
  detail::Waiter* first_ = nullptr;  // owned: each goes when it is woken, cancelled, or with the signal
  detail::Waiter* last_ = nullptr;
};

}  // namespace sheaf
