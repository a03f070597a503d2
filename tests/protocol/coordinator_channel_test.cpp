// The coordinator's channel: two honest ends that tell each other what they hold, whatever happens on the
// way.
#include "protocol/coordinator_channel.hpp"

#include <random>

#include <doctest/doctest.h>

#include "tests/support/coordinator_pair.hpp"

using namespace sheaf;
using namespace sheaf::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::vector<KeyedHead> elements(std::uint64_t from, std::uint64_t to) {
  std::vector<KeyedHead> out;
  for (std::uint64_t n = from; n < to; ++n) out.push_back(vector_element(n));
  return out;
}

// Heads as both sides hold them after they took in what they heard of.
bool agree(CoordinatorPair& pair) {
  return pair.a.local.elements.digest() == pair.b.local.elements.digest() &&
         pair.a.local.elements.size() == pair.b.local.elements.size();
}

}  // namespace

TEST_CASE("equal sets: each says its root and that it is settled, and nothing else") {
  CoordinatorPair pair;
  pair.a.hold(elements(0, 500));
  pair.b.hold(elements(0, 500));
  pair.start();
  pair.talk();
  CHECK(pair.a.messages_heard == 2);
  CHECK(pair.b.messages_heard == 2);
  CHECK(pair.a.channel->live());
  CHECK(pair.a.channel->settled());
  CHECK(pair.b.channel->settled());
  CHECK(pair.a.channel->runs() == 0);
}

TEST_CASE("different sets: each learns what it lacks, and both settle") {
  struct Sets {
    int common, here, there;
  };
  for (const Sets& sets : {Sets{0, 0, 1}, Sets{0, 1, 0}, Sets{0, 20, 0}, Sets{0, 0, 50}, Sets{0, 300, 0},
                           Sets{3, 1, 1}, Sets{500, 5, 7}, Sets{2000, 40, 0}}) {
    const auto [common, here, there] = sets;
    CAPTURE(sets.common);
    CoordinatorPair pair;
    pair.a.hold(elements(0, static_cast<std::uint64_t>(common)));
    pair.b.hold(elements(0, static_cast<std::uint64_t>(common)));
    pair.a.hold(elements(10'000, 10'000 + static_cast<std::uint64_t>(here)));
    pair.b.hold(elements(20'000, 20'000 + static_cast<std::uint64_t>(there)));
    pair.start();
    pair.wait(seconds(2));
    CHECK(agree(pair));
    CHECK(pair.a.learnt.size() == static_cast<std::size_t>(there));
    CHECK(pair.b.learnt.size() == static_cast<std::size_t>(here));
    CHECK(pair.a.channel->settled());
    CHECK(pair.b.channel->settled());
  }
}

TEST_CASE("a session cut after any message loses nothing: the next one brings both to the same set") {
  for (std::size_t cut = 0; cut < 40; ++cut) {
    CAPTURE(cut);
    CoordinatorPair first;
    first.a.hold(elements(0, 60));
    first.b.hold(elements(20, 90));
    auto longer = vector_element(30);
    longer.length.value += 5;
    first.b.hold({longer});
    first.start();
    first.talk(cut);
    CoordinatorPair second;
    second.a.local.elements = std::move(first.a.local.elements);
    second.b.local.elements = std::move(first.b.local.elements);
    second.start();
    second.wait(seconds(2));
    CHECK(agree(second));
    CHECK(second.a.local.elements.size() == 90);
    CHECK(second.a.local.elements.find(slot_of(longer.key))->length == longer.length);
  }
}

TEST_CASE("random sets of both roles, with changes on the way: both end with the newest of all") {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    CoordinatorPair pair;
    const std::uint64_t common = random() % 400;
    pair.a.hold(elements(0, common + random() % 30));
    pair.b.hold(elements(0, common));
    pair.b.hold(elements(1'000, 1'000 + random() % 60));
    pair.start();
    for (int i = 0; i < 8; ++i) {
      pair.talk(pair.a.messages_heard + pair.b.messages_heard + random() % 4);
      auto& side = random() % 2 ? pair.a : pair.b;
      const CoreKey key = vector_element(random() % 400).key;
      const Element* known = side.local.elements.find(slot_of(key));
      if (side.channel->state() == CoordinatorChannel::State::proved)
        pair.change(side, key, (known ? known->length.value : 0) + 1 + random() % 9'000);
    }
    pair.wait(seconds(60));
    CHECK(agree(pair));
    CHECK(pair.a.channel->settled());
    CHECK(pair.b.channel->settled());
  }
}

TEST_CASE("a rise is told once, and several that come together as one") {
  CoordinatorPair pair;
  pair.a.hold(elements(0, 10));
  pair.b.hold(elements(0, 10));
  pair.start();
  pair.talk();
  const auto before = pair.b.messages_heard;
  const CoreKey key = vector_element(3).key;
  pair.change(pair.a, key, 9'000);
  pair.talk();
  CHECK(pair.b.learnt.at(key).length == Length{9'000});
  CHECK(pair.b.messages_heard == before + 1);
  for (std::uint64_t length = 9'001; length < 9'050; ++length) pair.change(pair.a, key, length);
  pair.talk();
  CHECK(pair.b.learnt.at(key).length == Length{9'000});  // what follows closely waits for more
  pair.wait(milliseconds(10));
  CHECK(pair.b.learnt.at(key).length == Length{9'049});
  CHECK(pair.a.channel->runs() == 0);
}

TEST_CASE("more rises than are kept become a run (C8)") {
  CoordinatorPair pair;
  pair.a.options.credit = pair.b.options.credit = 10;
  pair.start();
  pair.talk();
  for (const auto& each : elements(0, 6'000)) pair.change(pair.a, each.key, 7);
  pair.b.options.trusted = true;
  pair.wait(seconds(1));
  CHECK(pair.a.channel->runs() > 0);
}

TEST_CASE("credit holds the sender back, and a trusted peer gets it back at once") {
  for (const bool trusted : {true, false}) {
    CAPTURE(trusted);
    CoordinatorPair pair;
    pair.a.hold(elements(0, 3'000));
    pair.b.options = {.credit = 1'000, .trusted = trusted};
    pair.start();
    pair.talk();
    if (trusted) {
      pair.wait(seconds(1));
      CHECK(pair.b.learnt.size() == 3'000);
      CHECK(pair.a.channel->settled());
      continue;
    }
    CHECK(pair.b.learnt.size() == 1'000);
    CHECK_FALSE(pair.a.channel->settled());  // there is more to give
    pair.wait(seconds(60));
    CHECK(pair.b.learnt.size() >= 1'060);
    CHECK(pair.b.learnt.size() <= 1'064);  // L13: 64 a minute
    CHECK(pair.b.channel->items_beyond_credit() == 0);
  }
}

TEST_CASE("a side that is closed is given nothing new, and learns the newer heads of what it has") {
  CoordinatorPair pair;
  pair.a.hold(elements(0, 2'000));
  pair.b.hold(elements(0, 10));
  auto longer = vector_element(4);
  longer.length.value += 1;
  pair.a.hold({longer});
  pair.b.local.closed = true;
  pair.start();
  pair.wait(seconds(1));
  CHECK(pair.b.learnt.size() == 1);
  CHECK(pair.b.local.elements.find(slot_of(longer.key))->length == longer.length);
  CHECK(pair.a.channel->remote_closed());
  CHECK(pair.a.channel->settled());
  // Once it is open again, another run gives it the rest.
  pair.b.local.closed = false;
  pair.b.options.trusted = true;
  pair.b.channel->flags_changed(pair.now);
  pair.wait(seconds(20));
  CHECK(pair.b.learnt.size() > 1'000);
}

TEST_CASE("an element that was asked for and is not here is compared, and never told") {
  CoordinatorPair pair;
  pair.a.hold({{vector_element(1).key, {}, {}}});
  pair.b.hold({vector_element(1), vector_element(2)});
  pair.start();
  pair.wait(seconds(1));
  CHECK(pair.a.learnt.size() == 2);
  CHECK(pair.b.learnt.empty());
  CHECK(pair.a.channel->settled());
}

TEST_CASE("a question about holdings is answered in the order asked") {
  CoordinatorPair pair;
  pair.a.hold(elements(0, 9'000));
  pair.b.hold(elements(0, 9'000));
  pair.a.local.describe = [](const Element& element) {
    const bool half = element.key == vector_element(5).key;
    return coordinator::Item{.holding = half ? coordinator::Holding::part : coordinator::Holding::whole_db,
                             .bare = true,
                             .key = element.key,
                             .fork = element.fork,
                             .length = element.length,
                             .blobs = std::nullopt};
  };
  pair.start();
  pair.talk();
  const CoreKey unknown = vector_element(99'999).key;
  REQUIRE(pair.b.channel->ask({vector_element(5).key, unknown, vector_element(6).key}));
  pair.wait(milliseconds(1));
  const auto held = pair.b.channel->take_held();
  REQUIRE(held.size() == 3);
  CHECK(held[0].holding == coordinator::Holding::part);
  CHECK(held[1].holding == coordinator::Holding::nothing);
  CHECK(held[2].holding == coordinator::Holding::whole_db);
}

TEST_CASE("what is refused is said with its reason") {
  CoordinatorPair pair;
  pair.a.hold(elements(0, 3));
  pair.b.follows = false;
  pair.start();
  pair.talk();
  pair.b.channel->refuse(vector_element(1).key, coordinator::RefusalReason::forgotten);
  pair.b.channel->pump(pair.now);
  pair.talk();
  const auto refused = pair.a.channel->take_refused();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].key == vector_element(1).key);
  CHECK(refused[0].reason == coordinator::RefusalReason::forgotten);
}

TEST_CASE("what both sides hold can be refused, too: once, and named however many elements there are") {
  for (const std::uint64_t count : {std::uint64_t{3}, std::uint64_t{9'000}}) {
    CAPTURE(count);
    CoordinatorPair pair;
    pair.a.hold(elements(0, count));
    pair.b.hold(elements(0, count));
    pair.start();
    pair.talk();
    using coordinator::RefusalReason;
    for (int i = 0; i < 2; ++i) {
      pair.b.channel->refuse(vector_element(1).key, RefusalReason::quota);
      pair.b.channel->refuse(vector_element(2).key, RefusalReason::disk);
      pair.b.channel->refuse(vector_element(count + 1).key, RefusalReason::quota);  // of nothing that is here
      pair.b.channel->pump(pair.now);
    }
    pair.b.channel->bye(coordinator::ByeReason::closing);
    pair.talk();
    std::map<CoreKey, RefusalReason> refused;
    for (const auto& each : pair.a.channel->take_refused())
      CHECK(refused.emplace(each.key, each.reason).second);
    CHECK(refused == std::map<CoreKey, RefusalReason>{{vector_element(1).key, RefusalReason::quota},
                                                      {vector_element(2).key, RefusalReason::disk}});
    CHECK(pair.a.channel->state() == CoordinatorChannel::State::closed);
  }
}

TEST_CASE("goodbye closes both ends, with its reason") {
  CoordinatorPair pair;
  pair.start();
  pair.talk();
  pair.a.channel->bye(coordinator::ByeReason::closing);
  pair.talk();
  CHECK(pair.a.channel->state() == CoordinatorChannel::State::closed);
  CHECK(pair.a.channel->ending().ours);
  CHECK(pair.b.channel->state() == CoordinatorChannel::State::closed);
  CHECK(pair.b.channel->ending().reason == coordinator::ByeReason::closing);
  CHECK_FALSE(pair.b.channel->ending().ours);
}

TEST_CASE("a peer of another bundle is plain") {
  CoordinatorPair pair;
  pair.b.local.secret = unhex_as<BundleSecret>(std::string(64, 'b'));
  pair.start();
  pair.talk();
  CHECK(pair.a.channel->ending().rejected);
  CHECK(pair.b.channel->ending().rejected);
  CHECK(pair.a.messages_heard == 0);
}
