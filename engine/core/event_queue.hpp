// A bounded queue of events that one reader pulls: what does not fit is replaced by one notice of a gap.
#pragma once

#include <deque>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/error.hpp"
#include "sheaf/net/signal.hpp"

namespace sheaf {

template <class Event>
class EventQueue {
 public:
  static constexpr std::size_t most = 1000;

  explicit EventQueue(Event gap) : gap_(std::move(gap)) {}

  void push(Event event) {
    if (closed_) return;
    if (events_.size() < most)
      events_.push_back(std::move(event));
    else
      overflowed_ = true;
    arrived_.notify();
  }

  // Who waits is told `closed` once the queue is empty.
  void close() {
    closed_ = true;
    arrived_.notify();
  }

  boost::asio::awaitable<Result<Event>> next() {
    while (events_.empty()) {
      if (overflowed_) {
        overflowed_ = false;
        co_return gap_;
      }
      if (closed_) co_return EngineErrc::closed;
      if (auto waited = co_await arrived_.wait(); !waited) co_return waited.error();
    }
    Event out = std::move(events_.front());
    events_.pop_front();
    co_return out;
  }

 private:
  Event gap_;
  std::deque<Event> events_;
  bool overflowed_ = false;
  bool closed_ = false;
  Signal arrived_;
};

}  // namespace sheaf
