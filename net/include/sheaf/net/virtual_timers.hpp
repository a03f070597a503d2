// Time that stands still while anything is left to do and then jumps to the next wake-up: for tests and
// simulation, where an hour has to pass in milliseconds and the same seed has to give the same order.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

// Sleepers of one instant wake in the order in which they lay down; with a tie-break source (which has to
// outlive this) in an order that it draws.
class VirtualTimers final : public Timers {
 public:
  explicit VirtualTimers(RandomSource* tie_break = nullptr) : tie_break_(tie_break) {}

  Instant now() const override { return now_; }
  boost::asio::awaitable<Result<void>> sleep_until(Instant when) override;

  // When the next sleeper is due; nothing if nobody sleeps.
  std::optional<Instant> next_wake() const;
  // Jumps to the next sleeper's moment, if that lies ahead, and wakes it. Requires: somebody sleeps.
  void wake_next();
  // Jumps ahead without waking anybody who is due later. Requires: when >= now(), nobody is due before.
  void jump_to(Instant when);

 private:
  using Place = std::pair<Instant, std::pair<std::uint64_t, std::uint64_t>>;  // when; tie-break, arrival
  std::map<Place, Signal*> sleepers_;
  Instant now_{};
  std::uint64_t arrivals_ = 0;
  RandomSource* tie_break_;
};

// Runs one ready handler of `io`, or wakes the next sleeper when none is ready. False when there is
// neither: nothing can happen any more. Work on other threads and on sockets is not waited for.
bool step_virtual(boost::asio::io_context& io, VirtualTimers& timers);

// Steps until done() holds, asking before each step. False if it never comes to hold: nothing is left to
// do, or everything left lies after `horizon`.
template <class Done>
bool run_virtual(boost::asio::io_context& io, VirtualTimers& timers, Done done,
                 Instant horizon = {Duration::max()}) {
  while (!done()) {
    if (io.stopped()) io.restart();
    if (io.poll_one() != 0) continue;
    const auto next = timers.next_wake();
    if (!next || *next > horizon) return false;
    timers.wake_next();
  }
  return true;
}

}  // namespace sheaf
