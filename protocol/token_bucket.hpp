// A rate with a burst: so many at once, then one each period.
//
// Time is a value; a bucket that is never asked costs nothing.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sheaf/protocol/time.hpp"

namespace sheaf {

class TokenBucket {
 public:
  // Full at first. Requires: most > 0, period > 0.
  TokenBucket(std::uint64_t most, Duration period) : most_(most), period_(period), left_(most) {}

  std::uint64_t available(Instant now) {
    fill(now);
    return left_;
  }
  // Takes one if there is one.
  bool take(Instant now) {
    fill(now);
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  // Takes up to `wanted`; gives how many.
  std::uint64_t take_some(std::uint64_t wanted, Instant now) {
    fill(now);
    const std::uint64_t taken = std::min(wanted, left_);
    left_ -= taken;
    return taken;
  }
  // When the next one can be taken; a moment that has passed if that is now.
  Instant next() const { return left_ > 0 ? since_ : since_ + period_; }

 private:
  void fill(Instant now) {
    if (left_ == most_) {
      since_ = std::max(since_, now);
      return;
    }
    if (now < since_ + period_) return;
    const auto periods = static_cast<std::uint64_t>((now - since_) / period_);
    const std::uint64_t added = std::min(periods, most_ - left_);
    left_ += added;
    since_ = left_ == most_ ? now : since_ + period_ * static_cast<Duration::rep>(added);
  }

  std::uint64_t most_;
  Duration period_;
  std::uint64_t left_;
  Instant since_{};
};

}  // namespace sheaf
