// Time as a value: protocol machines are told the time and never ask for it.
#pragma once

#include <chrono>
#include <compare>

namespace sheaf {

using Duration = std::chrono::nanoseconds;

// A moment of the injected monotonic clock, counted from an origin that means nothing.
struct Instant {
  Duration since_origin{};
  auto operator<=>(const Instant&) const = default;
};

// Stops at the last moment there is instead of running over it.
constexpr Instant operator+(Instant at, Duration d) {
  if (d > Duration::zero() && at.since_origin > Duration::max() - d) return {Duration::max()};
  return {at.since_origin + d};
}
constexpr Duration operator-(Instant later, Instant earlier) {
  return later.since_origin - earlier.since_origin;
}

}  // namespace sheaf
