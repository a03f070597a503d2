#include "storage/key_locks.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace sheaf::test {

TEST_CASE("writers of different keys do not wait for each other") {
  KeyLocks locks;
  const KeyLocks::Held first(locks, {3, 1});
  const KeyLocks::Held second(locks, {2, 4});
  const KeyLocks::Held none(locks, {});
}

TEST_CASE("of writers with a key in common one is at work at a time") {
  KeyLocks locks;
  std::atomic<int> at_work{0};
  std::atomic<bool> met{false};
  std::vector<std::thread> writers;
  for (std::uint64_t writer = 0; writer < 4; ++writer)
    writers.emplace_back([&, writer] {
      for (int n = 0; n < 2'000; ++n) {
        const KeyLocks::Held held(locks, {writer + 100, 7, 7, writer});
        if (at_work++ > 0) met = true;
        std::this_thread::yield();
        --at_work;
      }
    });
  for (std::thread& writer : writers) writer.join();
  CHECK(!met);
}

}  // namespace sheaf::test
