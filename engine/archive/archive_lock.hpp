// One writer at a time, in the order in which they came.
#pragma once

#include <deque>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "engine/core/completion.hpp"

namespace sheaf {

// Taken on the strand; may be given back anywhere, which then happens on the strand.
class ArchiveLock {
  struct State;

 public:
  explicit ArchiveLock(boost::asio::any_io_executor strand);

  // Whoever holds one has the turn until it is destroyed.
  class Turn {
   public:
    Turn() = default;
    ~Turn();
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&& other) noexcept;
    explicit operator bool() const { return state_ != nullptr; }

   private:
    friend class ArchiveLock;
    explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) {}
    void give_back();
    std::shared_ptr<State> state_;
  };

  // Cancelling ends the wait without the turn. `closed` from close() on.
  boost::asio::awaitable<Result<Turn>> take();
  // Answers all who wait. Turns that are held stay held.
  void close();

 private:
  static void pass_on(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace sheaf
