// Time is injected: an hour of a connection, with a cut and its back-off, passes in less than a second, and
// the same seed gives the same hour.
#include <chrono>
#include <ctime>

#include "tests/support/cores.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

struct Hour {
  std::uint64_t trace = 0;
  std::size_t dials_while_cut = 0;
  std::uint64_t idle_bytes = 0;    // in ten minutes with nothing to say
  std::uint64_t resume_bytes = 0;  // for the five blocks written meanwhile
};

Hour live(std::uint64_t seed) {
  Hour out;
  World world(seed);
  auto split = seeded_random(seed + 1000);
  world.road.delay = 20ms;
  world.road.split = split.get();
  Node& writer = world.add();
  Node& reader = world.add();
  world.follow_events(writer);
  world.follow_events(reader);
  Core log = create(world, writer);
  Core copy = follow(world, reader, log.key());
  world.follow_events(log);
  world.follow_events(copy);
  append(world, log, 0, 100);
  world.link(reader, writer);
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{100}; }));

  const Instant began = world.timers().now();
  std::uint64_t before = world.bytes_carried();
  world.pass(10min);
  out.idle_bytes = world.bytes_carried() - before;
  CHECK(world.roads() == 1);

  world.roads_open = false;
  world.cut_roads();
  const std::size_t dials = world.dials;
  append(world, log, 100, 5);
  world.pass(10min);
  out.dials_while_cut = world.dials - dials;
  CHECK(world.roads() == 0);
  CHECK(info(world, copy).length == Length{100});

  world.roads_open = true;
  before = world.bytes_carried();
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{105}; }, 2min));
  out.resume_bytes = world.bytes_carried() - before;
  for (std::uint64_t i = 0; i < 105; ++i) CHECK(equal(*get(world, copy, i), numbered_block(i, 64)));
  world.pass(1h - (world.timers().now() - began));
  CHECK(world.roads() == 1);
  out.trace = world.trace().value();
  return out;
}

// Of the processor's time, so that it does not matter what else the machine does. Sanitizers make everything
// some thirty times slower.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr auto at_most = 30s;
#else
constexpr auto at_most = 1s;
#endif
#else
constexpr auto at_most = 1s;
#endif

}  // namespace

TEST_CASE("an hour of keep-alives, a cut, back-off and resume takes less than a second") {
  const std::clock_t began = std::clock();
  const Hour hour = live(1);
  const auto used = std::chrono::duration<double>(double(std::clock() - began) / CLOCKS_PER_SEC);
  CHECK(used < at_most);
  CHECK(hour.idle_bytes > 0);       // keep-alives
  CHECK(hour.idle_bytes < 10'000);  // and nothing else
  CHECK(hour.dials_while_cut >= 10);
  CHECK(hour.dials_while_cut <= 40);  // rarer and rarer, at least one a minute
  CHECK(hour.resume_bytes > 5 * 64);
  CHECK(hour.resume_bytes < 4'000);  // what is here already does not travel again
}

TEST_CASE("the same seed lives the same hour") {
  const std::uint64_t first = live(7).trace;
  CHECK(live(7).trace == first);
  CHECK(live(8).trace != first);
}
