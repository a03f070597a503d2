// What a comparison costs on the wire: two whole sessions, Noise and encryption and all, joined by what they
// say.
#include <array>
#include <set>

#include <doctest/doctest.h>

#include "protocol/session_machine.hpp"
#include "tests/support/simulated_archives.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr Instant now{std::chrono::seconds(1)};

KeyPair keys_of(RandomSource& random) {
  Seed seed;
  random.fill(seed.bytes());
  return crypto::key_pair(seed);
}

SecretStream::Options as(Role role, RandomSource& random) {
  SecretStream::Options out;
  out.role = role;
  out.static_key = keys_of(random);
  return out;
}

// One session that compares, follows nothing and gives no credit back, so that all it says is the comparison.
struct End {
  End(Role role, const std::vector<KeyedHead>& held, std::uint64_t seed)
      : random(seeded_random(seed)), machine(limits, slabs, *random, as(role, *random), now) {
    for (const KeyedHead& each : held) local.elements.set(each.key, each.fork, each.length);
    local.describe = [](const Element& element) {
      return coordinator::Item{.holding = coordinator::Holding::db_and_blobs,
                               .key = element.key,
                               .fork = element.fork,
                               .length = element.length,
                               .blobs = coordinator::Head{}};
    };
  }
  void hear(Bytes bytes) {
    while (!bytes.empty()) {
      const MutableBytes room = machine.room();
      const std::size_t part = std::min(room.size(), bytes.size());
      std::ranges::copy(bytes.first(part), room.begin());
      machine.received(part, now);
      bytes = bytes.subspan(part);
      look();
    }
  }
  void look() {
    do {
      while (machine.next_event()) {
      }
    } while (machine.has_more());
    if (CoordinatorChannel* channel = machine.coordinator()) {
      for (const auto& item : channel->take_items()) newer_there.insert(item.key);
      for (const auto& behind : channel->take_behind()) newer_there.insert(behind.key);
      channel->pump(now);
    }
    machine.flush();
  }
  Buffer say() {
    Buffer out;
    std::array<Bytes, 64> runs;
    for (;;) {
      const std::size_t count = machine.outgoing(runs);
      if (count == 0) return out;
      std::size_t bytes = 0;
      for (const Bytes run : std::span(runs).first(count)) {
        append(out, run);
        bytes += run.size();
      }
      machine.sent(bytes, now);
    }
  }

  Limits limits;
  SlabPool slabs{limits};
  std::unique_ptr<RandomSource> random;
  CoordinatorLocal local;
  SessionMachine machine;
  std::set<CoreKey> newer_there;
};

struct WireCost {
  std::size_t bytes = 0;
  unsigned halves = 0;  // times that the road was crossed, both directions at once
};

// Until neither has anything to say.
WireCost talk(End& a, End& b) {
  WireCost cost;
  for (;;) {
    const Buffer from_a = a.say();
    const Buffer from_b = b.say();
    if (from_a.empty() && from_b.empty()) return cost;
    ++cost.halves;
    cost.bytes += from_a.size() + from_b.size();
    a.hear(from_b);
    b.hear(from_a);
  }
}

std::set<CoreKey> newer_in(const std::vector<KeyedHead>& one, const std::vector<KeyedHead>& other) {
  const DigestTrie here = trie_of(other);
  std::set<CoreKey> out;
  for (const KeyedHead& each : one) {
    const Element* known = here.find(slot_of(each.key));
    if (!known || newer(each.fork, each.length, known->fork, known->length)) out.insert(each.key);
  }
  return out;
}

}  // namespace

TEST_CASE(
    "10,000 and 100,000 archives: bytes on the wire and round trips are those of the simulation, within 10 "
    "%") {
  for (const auto& row : vectors("coordinator/simulation.json")["table"]) {
    if (row.contains("case")) continue;
    const auto archives = row["archives"].get<std::uint64_t>();
    const auto different = row["differences"].get<std::uint64_t>();
    if (archives < 10'000 || (different != 0 && different != 10 && different != 1'000)) continue;
    CAPTURE(archives);
    CAPTURE(different);
    std::vector<std::size_t> bytes;
    unsigned halves = 0;
    for (std::uint32_t seed = 1; seed <= (archives > 10'000 ? 1u : 3u); ++seed) {
      const SimulatedSets sets =
          simulated_sets(archives, different, seed * 7717 + static_cast<std::uint32_t>(different));
      End a(Role::initiator, sets.a, seed);
      End b(Role::responder, sets.b, seed + 100);
      talk(a, b);
      REQUIRE(a.machine.secured());
      REQUIRE(b.machine.secured());
      for (End* end : {&a, &b}) {
        end->machine.open_coordinator(end->local, {.credit = 4'096, .trusted = true});
        end->look();
      }
      const WireCost cost = talk(a, b);
      CHECK(a.newer_there == newer_in(sets.b, sets.a));
      CHECK(b.newer_there == newer_in(sets.a, sets.b));
      bytes.push_back(cost.bytes);
      halves = std::max(halves, cost.halves);
    }
    std::ranges::sort(bytes);
    const std::size_t median = bytes[bytes.size() / 2];
    MESSAGE(archives, " archives, ", different, " differ: ", median, " bytes, ", halves / 2.0,
            " round trips");
    CHECK(static_cast<double>(median) <= 1.1 * row["bytes"].get<double>());
    CHECK(halves / 2.0 <= row["roundTrips"].get<double>());
  }
}
