#include "net/backoff.hpp"

#include <algorithm>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

Duration backoff_delay(std::uint64_t failures, std::uint64_t random, const Backoff& backoff) {
  invariant(backoff.first >= Duration::zero() && backoff.first <= backoff.most,
            "backoff grows from first to most");
  if (failures == 0) return Duration::zero();
  Duration whole = backoff.first;
  // Doubling stops at the cap, so it is never done more than the 63 times that fit.
  for (std::uint64_t i = 1; i < failures && whole < backoff.most && whole > Duration::zero(); ++i)
    whole = whole > backoff.most / 2 ? backoff.most : whole * 2;
  const auto half = static_cast<std::uint64_t>(whole.count()) / 2;
  const auto drawn = half == 0 ? 0 : random % (half + 1);
  return whole - Duration(half) + Duration(drawn);
}

}  // namespace sheaf
