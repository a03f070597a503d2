// Where keys, nonces and jitter come from: always handed in, so that a seed repeats a run.
#pragma once

#include <cstdint>
#include <memory>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

// Calls are made one at a time.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(MutableBytes out) = 0;

  // Any 64 bits; and one number below `bound`. Requires: bound > 0.
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);
};

// The operating system's, fit for keys.
std::unique_ptr<RandomSource> system_random();
// The same bytes for the same seed, for tests and simulation: never for real keys.
std::unique_ptr<RandomSource> seeded_random(std::uint64_t seed);

}  // namespace sheaf
