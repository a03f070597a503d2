// The sets that the recorded simulation of the coordinator compares (vectors coordinator/simulation.json).
#pragma once

#include "tests/support/coordinator_vectors.hpp"

namespace sheaf::test {

// The sets of the recorded simulation: half of the differences are archives that one side has, half are
// archives whose length moved on one side.
struct SimulatedSets {
  std::vector<KeyedHead> a;
  std::vector<KeyedHead> b;
};

inline KeyedHead simulated(std::uint64_t n) {
  return {CoreKey::from(crypto::blake2b({as_bytes("archive " + std::to_string(n))}).bytes()),
          {0},
          {2 + n * 7919 % 5000}};
}

inline SimulatedSets simulated_sets(std::uint64_t archives, std::uint64_t different, std::uint32_t seed) {
  std::uint32_t x = seed;
  const auto random = [&x](std::uint32_t below) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x % below;
  };
  const std::uint64_t common = archives - (different + 1) / 2;
  SimulatedSets out;
  for (std::uint64_t n = 0; n < common; ++n) out.a.push_back(simulated(n));
  out.b = out.a;
  for (std::uint64_t i = 0; i < different; ++i) {
    const KeyedHead element = simulated(common + i);
    auto& one = random(2) == 1 ? out.a : out.b;
    one.push_back(element);
    if (i % 2 == 0) continue;
    one.back().length.value += 1 + random(50);
    (&one == &out.a ? out.b : out.a).push_back(element);
  }
  return out;
}

}  // namespace sheaf::test
