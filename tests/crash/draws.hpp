// Random draws that can be repeated: SHEAF_CRASH_SEED=N runs the same draws again. When a process is killed
// is drawn here too; how far it came by then is the machine's affair, and no seed can repeat that.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace sheaf::test {

using Microseconds = std::chrono::microseconds;

// One seed for the whole run, printed once.
inline std::uint64_t seed_of_run() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("SHEAF_CRASH_SEED");
    const std::uint64_t value = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("crash: repeat these draws with SHEAF_CRASH_SEED=%llu\n",
                static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}

class Draws {
 public:
  // Each test draws from a stream of its own, so that one test alone draws what it draws among all.
  explicit Draws(std::uint64_t stream) : engine_(seed_of_run() * 1000003 + stream) {}

  // From 0 to `end` - 1.
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  bool one_in(std::uint64_t many) { return below(many) == 0; }
  std::uint64_t seed() { return engine_(); }
  Microseconds up_to(Microseconds most) {
    return Microseconds(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.count()) + 1)));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace sheaf::test
