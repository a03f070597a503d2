// A result that one coroutine waits for and another part of the strand sets once.
#pragma once

#include <optional>

#include <boost/asio/awaitable.hpp>

#include "sheaf/net/signal.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf {

// Shared by the one who waits and the one who sets, since either may go first. One waits at a time.
template <class T>
class Completion {
 public:
  void set(Result<T> value) {
    if (value_) return;
    value_.emplace(std::move(value));
    done_.notify();
  }
  bool is_set() const { return value_.has_value(); }

  // Cancelling ends the wait with cancelled_error(); what was asked for may still happen.
  boost::asio::awaitable<Result<T>> wait() {
    while (!value_)
      if (auto waited = co_await done_.wait(); !waited) co_return waited.error();
    co_return std::move(*value_);
  }
  // Deaf to cancellation: for what takes effect whether or not somebody waits.
  boost::asio::awaitable<Result<T>> wait_through() {
    while (!value_) co_await done_.wait_through();
    co_return std::move(*value_);
  }

 private:
  std::optional<Result<T>> value_;
  Signal done_;
};

}  // namespace sheaf
