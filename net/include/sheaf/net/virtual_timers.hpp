// Time that stands still while anything is left to do and then jumps to the next wake-up: for tests and
// simulation, where an hour has to pass in milliseconds and the same seed has to give the same order.
#pragma once

#include <map>
#include <optional>
#include <tuple>

#include <boost/asio/io_context.hpp>

#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

// Sleepers of one instant wake in the order in which they lay down; with a tie-break source (which has to
// outlive this) in an order that it draws.
class VirtualTimers final : public Timers {
 public:
  explicit VirtualTimers(RandomSource* tie_break = nullptr) : tie_break_(tie_break) {}
  ~VirtualTimers() override;
  VirtualTimers(const VirtualTimers&) = delete;
  VirtualTimers& operator=(const VirtualTimers&) = delete;

  Instant now() const override { return now_; }
  boost::asio::awaitable<Result<void>> sleep_until(Instant when) override;

  // When the next sleeper is due; nothing if nobody sleeps.
  std::optional<Instant> next_wake() const;
  // Jumps to the next sleeper's moment, if that lies ahead, and wakes this one. Requires: somebody sleeps.
  void wake_next();
  // Jumps ahead. Requires: not back, and not over a sleeper who is due before.
  void jump_to(Instant when);

 private:
  struct Sleeper;
  using Place = std::tuple<Instant, std::uint64_t, std::uint64_t>;  // when due, tie-break, arrival
  std::map<Place, Sleeper*> sleepers_;                              // each lives in its coroutine's frame
  Instant now_{};
  std::uint64_t arrivals_ = 0;
  RandomSource* tie_break_;
};

// Runs one ready handler of `io`, or wakes the next sleeper if none is ready and that one is due no later
// than `horizon`. False if there was neither. Other threads and sockets are not waited for.
bool step_virtual(boost::asio::io_context& io, VirtualTimers& timers, Instant horizon = {Duration::max()});

// Steps until done() holds, asking before each step. False if nothing is left to do before the horizon and
// it still does not.
template <class Done>
bool run_virtual(boost::asio::io_context& io, VirtualTimers& timers, Done done,
                 Instant horizon = {Duration::max()}) {
  while (!done())
    if (!step_virtual(io, timers, horizon)) return false;
  return true;
}

}  // namespace sheaf
