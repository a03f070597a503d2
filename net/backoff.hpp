// How long to wait before the next try: a pure function.
#pragma once

#include <chrono>
#include <cstdint>

#include "sheaf/protocol/time.hpp"

namespace sheaf {

struct Backoff {
  Duration first = std::chrono::milliseconds(250);
  Duration most = std::chrono::seconds(60);
};

// After `failures` tries in a row that failed: nothing after none, then twice as long each time up to
// `most`. Half of it is fixed and half is drawn by `random` (any 64 bits), so that many that failed
// together do not come back together. Never overflows. Requires: 0 <= first <= most.
Duration backoff_delay(std::uint64_t failures, std::uint64_t random, const Backoff& backoff = {});

}  // namespace sheaf
