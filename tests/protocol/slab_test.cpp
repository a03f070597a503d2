#include "protocol/slab.hpp"

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sheaf;

TEST_CASE("a slab is counted while anyone holds it, and not longer") {
  Limits limits;
  SlabPool pool(limits);
  SlabAccount account(pool);
  Slab slab = account.take(1000);
  REQUIRE(slab);
  CHECK(slab.sole());
  CHECK(slab.capacity() >= 1000);
  CHECK(account.bytes() == slab.capacity());
  const Slab second = slab;
  CHECK_FALSE(slab.sole());
  slab = {};
  CHECK(second.sole());
  CHECK(account.bytes() == second.capacity());
}

TEST_CASE("the budgets of session and process are never exceeded, and the reserve is always there") {
  Limits limits;
  limits.receive_bytes_session = 200'000;
  limits.receive_bytes_process = 300'000;
  limits.receive_bytes_reserved = 50'000;
  SlabPool pool(limits);
  SlabAccount a(pool), b(pool), c(pool);
  std::vector<Slab> held;
  const auto take_all = [&](SlabAccount& account) {
    std::size_t taken = 0;
    while (account.allows(10'000)) {
      held.push_back(account.take(10'000));
      REQUIRE(held.back());
      ++taken;
    }
    CHECK_FALSE(account.take(10'000));
    CHECK(account.bytes() <= limits.receive_bytes_session);
    CHECK(pool.shared_bytes() <= limits.receive_bytes_process);
    return taken;
  };
  CHECK(take_all(a) == 20);  // 50,000 reserved, 150,000 shared
  CHECK(take_all(b) == 20);
  CHECK(take_all(c) == 5);  // its reserve
  CHECK(pool.shared_bytes() == 300'000);
  CHECK(pool.bytes() == 450'000);
  CHECK_FALSE(pool.starved());
  c.wait_for_room();
  CHECK(pool.starved());
  int calls = 0;
  pool.on_room([&] { ++calls; });
  held.clear();
  CHECK(calls == 1);
  CHECK_FALSE(pool.starved());
  CHECK(pool.bytes() == 0);
  CHECK(pool.shared_bytes() == 0);
}

TEST_CASE("a slab grows with its content, as far as the budget reaches") {
  Limits limits;
  limits.receive_bytes_session = 1'000'000;
  SlabPool pool(limits);
  SlabAccount account(pool);
  Slab slab = account.take(100);
  std::fill_n(slab.bytes().begin(), 100, std::byte{7});
  std::size_t capacity = 100;
  while (account.grow(slab, capacity + 20'000)) {
    capacity += 20'000;
    CHECK(slab.capacity() >= capacity);
    slab.bytes()[capacity - 1] = std::byte{9};
    CHECK(std::all_of(slab.bytes().begin(), slab.bytes().begin() + 100,
                      [](std::byte b) { return b == std::byte{7}; }));
    CHECK(account.bytes() <= limits.receive_bytes_session);
  }
  CHECK(capacity > 900'000);
}

TEST_CASE("slabs outlive account and pool") {
  Slab survivor;
  {
    Limits limits;
    SlabPool pool(limits);
    SlabAccount account(pool);
    survivor = account.take(SlabPool::slab_bytes);
    std::ranges::fill(survivor.bytes(), std::byte{3});
  }
  CHECK(std::ranges::all_of(survivor.bytes(), [](std::byte b) { return b == std::byte{3}; }));
}

TEST_CASE("slabs of the usual size are used again") {
  Limits limits;
  SlabPool pool(limits);
  SlabAccount account(pool);
  const std::byte* first = nullptr;
  {
    const Slab slab = account.take(SlabPool::slab_bytes);
    first = slab.bytes().data();
  }
  CHECK(pool.bytes() == 0);
  const Slab again = account.take(SlabPool::slab_bytes);
  CHECK(again.bytes().data() == first);
}

TEST_CASE("a slab that has grown serves the next one that grows, with what that one holds") {
  constexpr std::size_t large = 4 * SlabPool::slab_bytes;
  Limits limits;
  SlabPool pool(limits);
  SlabAccount account(pool);
  const std::byte* grown = nullptr;
  {
    Slab slab = account.take(SlabPool::slab_bytes);
    REQUIRE(account.grow(slab, large));
    grown = slab.bytes().data();
  }
  Slab slab = account.take(SlabPool::slab_bytes);
  CHECK(slab.capacity() == SlabPool::slab_bytes);
  std::ranges::fill(slab.bytes(), std::byte{5});
  REQUIRE(account.grow(slab, SlabPool::slab_bytes + 1));
  CHECK(slab.bytes().data() == grown);
  CHECK(slab.capacity() == large);
  CHECK(account.bytes() == large);
  CHECK(std::ranges::all_of(slab.bytes().first(SlabPool::slab_bytes),
                            [](std::byte b) { return b == std::byte{5}; }));
}

TEST_CASE("a kept slab is not lent beyond the budget, and a very large one is cut before it is kept") {
  Limits limits;
  limits.receive_bytes_session = 8 * SlabPool::slab_bytes;
  SlabPool pool(limits);
  SlabAccount account(pool);
  {
    Slab slab = account.take(SlabPool::slab_bytes);
    REQUIRE(account.grow(slab, 6 * SlabPool::slab_bytes));
  }
  const Slab other = account.take(3 * SlabPool::slab_bytes);
  Slab slab = account.take(SlabPool::slab_bytes);
  REQUIRE(account.grow(slab, SlabPool::slab_bytes + 1));
  CHECK(slab.capacity() < 2 * SlabPool::slab_bytes);
  CHECK(account.bytes() <= limits.receive_bytes_session);

  Limits wide;
  SlabPool another(wide);
  SlabAccount owner(another);
  {
    Slab huge = owner.take(SlabPool::slab_bytes);
    REQUIRE(owner.grow(huge, SlabPool::largest_kept + 1));
  }
  Slab next = owner.take(SlabPool::slab_bytes);
  REQUIRE(owner.grow(next, SlabPool::slab_bytes + 1));
  CHECK(next.capacity() < 2 * SlabPool::slab_bytes);
}

TEST_CASE("the slowest partial frame above 1 MiB is named, none when there is none") {
  Limits limits;
  SlabPool pool(limits);
  SlabAccount a(pool), b(pool);
  auto c = std::make_unique<SlabAccount>(pool);
  const Instant now{std::chrono::seconds(100)};
  CHECK_FALSE(pool.slowest(now).has_value());
  a.partial_frame(10'000'000, Instant{});
  b.partial_frame(1'000'000, Instant{});  // slower, but not large
  CHECK(pool.slowest(now) == a.id());
  c->partial_frame(2'000'000, Instant{std::chrono::seconds(50)});
  CHECK(pool.slowest(now) == c->id());
  c.reset();
  CHECK(pool.slowest(now) == a.id());
  a.partial_frame(0, now);
  CHECK_FALSE(pool.slowest(now).has_value());
}

TEST_CASE("handles are copied and dropped on other threads") {
  Limits limits;
  SlabPool pool(limits);
  SlabAccount account(pool);
  for (int round = 0; round < 50; ++round) {
    Slab slab = account.take(SlabPool::slab_bytes);
    REQUIRE(slab);
    std::fill_n(slab.bytes().begin(), 64, static_cast<std::byte>(round));
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([slab, round] {
        const Slab mine = slab;
        if (mine.bytes()[63] != static_cast<std::byte>(round)) std::abort();
      });
    slab = {};
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(pool.bytes() == 0);
}
