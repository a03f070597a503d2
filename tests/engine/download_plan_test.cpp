// Which block is asked of whom, as a table; and the queue of events that nobody takes.
#include "engine/core/download_plan.hpp"

#include <doctest/doctest.h>

#include "engine/core/event_queue.hpp"
#include "tests/support/worlds.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

using Ranges = std::vector<BlockRange>;

BlockRange range(std::uint64_t begin, std::uint64_t end) { return {{begin}, {end}}; }

struct PlanCase {
  const char* name;
  Ranges wanted;
  Ranges held;
  Ranges in_flight;
  std::vector<std::pair<Ranges, std::size_t>> peers;            // what each has, and its room
  std::vector<std::pair<std::size_t, std::uint64_t>> expected;  // peer and block, in order
};

const PlanCase plan_cases[] = {
    {"nothing wanted", {}, {}, {}, {{{range(0, 9)}, 5}}, {}},
    {"nobody there", {range(0, 9)}, {}, {}, {}, {}},
    {"from the front, as far as there is room",
     {range(0, 9)},
     {},
     {},
     {{{range(0, 9)}, 3}},
     {{0, 0}, {0, 1}, {0, 2}}},
    {"what is held or under way is left out",
     {range(0, 6)},
     {range(1, 2)},
     {range(3, 5)},
     {{{range(0, 9)}, 9}},
     {{0, 0}, {0, 2}, {0, 5}}},
    {"each peer only what it has",
     {range(0, 6)},
     {},
     {},
     {{{range(0, 1), range(4, 6)}, 9}, {{range(1, 5)}, 9}},
     {{0, 0}, {0, 4}, {0, 5}, {1, 1}, {1, 2}, {1, 3}}},
    {"each block once, the next peer where the first one is full",
     {range(0, 4)},
     {},
     {},
     {{{range(0, 9)}, 2}, {{range(0, 9)}, 9}},
     {{0, 0}, {0, 1}, {1, 2}, {1, 3}}},
    {"the first range first",
     {range(7, 9), range(0, 9)},
     {},
     {},
     {{{range(0, 9)}, 3}},
     {{0, 7}, {0, 8}, {0, 0}}},
    {"no room", {range(0, 9)}, {}, {}, {{{range(0, 9)}, 0}}, {}},
    {"nobody has it", {range(20, 30)}, {}, {}, {{{range(0, 9)}, 4}}, {}},
    {"a range without end", {{{5}, {max_wire_integer}}}, {}, {}, {{{range(0, 7)}, 9}}, {{0, 5}, {0, 6}}},
};

}  // namespace

TEST_CASE("a plan of downloads") {
  for (const PlanCase& one : plan_cases) {
    CAPTURE(one.name);
    Bitfield held, in_flight;
    for (const BlockRange& r : one.held) held.set(r);
    for (const BlockRange& r : one.in_flight) in_flight.set(r);
    std::vector<HaveSet> has(one.peers.size());
    std::vector<PlanPeer> peers;
    for (std::size_t i = 0; i < has.size(); ++i) {
      for (const BlockRange& r : one.peers[i].first) has[i].add(r);
      peers.push_back({&has[i], one.peers[i].second});
    }
    std::vector<std::pair<std::size_t, std::uint64_t>> planned;
    for (const PlannedAsk& ask : plan_downloads(one.wanted, held, in_flight, peers)) {
      planned.emplace_back(ask.peer, ask.block.value);
      CHECK(in_flight.test(ask.block));
    }
    CHECK((planned == one.expected));
  }
}

TEST_CASE("events that nobody takes end in one gap, and go on behind it") {
  VirtualWorld world;
  EventQueue<int> events(-1);
  for (int i = 0; i < 1500; ++i) events.push(i);
  for (int i = 0; i < 1000; ++i) CHECK(*world.run(events.next()) == i);
  CHECK(*world.run(events.next()) == -1);
  events.push(7);
  CHECK(*world.run(events.next()) == 7);
  events.push(8);
  events.close();
  events.push(9);
  CHECK(*world.run(events.next()) == 8);
  CHECK(world.run(events.next()).error() == EngineErrc::closed);
}
