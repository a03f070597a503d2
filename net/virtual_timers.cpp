#include "sheaf/net/virtual_timers.hpp"

#include <algorithm>
#include <utility>

#include "sheaf/net/signal.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

struct VirtualTimers::Sleeper {
  VirtualTimers* timers;  // null once woken, or once the timers have gone
  Place place;
  Signal woken{};

  Sleeper(VirtualTimers& owner, Place at) : timers(&owner), place(at) { owner.sleepers_.emplace(at, this); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (timers) timers->sleepers_.erase(place);
  }
};

VirtualTimers::~VirtualTimers() {
  for (auto& [place, sleeper] : sleepers_) sleeper->timers = nullptr;
}

boost::asio::awaitable<Result<void>> VirtualTimers::sleep_until(Instant when) {
  Sleeper sleeper(*this, {when, tie_break_ ? tie_break_->next() : 0, arrivals_++});
  co_return co_await sleeper.woken.wait();
}

std::optional<Instant> VirtualTimers::next_wake() const {
  if (sleepers_.empty()) return std::nullopt;
  return std::get<Instant>(sleepers_.begin()->first);
}

void VirtualTimers::wake_next() {
  invariant(!sleepers_.empty(), "wake_next() needs a sleeper");
  auto [place, sleeper] = *sleepers_.begin();
  sleepers_.erase(sleepers_.begin());
  now_ = std::max(now_, std::get<Instant>(place));
  sleeper->timers = nullptr;
  sleeper->woken.notify();
}

void VirtualTimers::jump_to(Instant when) {
  invariant(when >= now_, "virtual time does not go back");
  const auto next = next_wake();
  invariant(!next || *next >= when, "virtual time does not jump over a sleeper");
  now_ = when;
}

bool step_virtual(boost::asio::io_context& io, VirtualTimers& timers, Instant horizon) {
  if (io.stopped()) io.restart();
  if (io.poll_one() != 0) return true;
  const auto next = timers.next_wake();
  if (!next || *next > horizon) return false;
  timers.wake_next();
  return true;
}

}  // namespace sheaf
