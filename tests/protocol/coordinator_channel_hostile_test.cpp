// The coordinator's channel against peers that lie, flood or fall silent: each gets the outcome that is
// written down for it, and learns nothing before it has proved that it knows the bundle.
#include <doctest/doctest.h>

#include "tests/support/coordinator_pair.hpp"

using namespace sheaf;
using namespace sheaf::test;
using coordinator::ByeReason;
using coordinator::MessageType;
using std::chrono::milliseconds;
using std::chrono::seconds;
using State = CoordinatorChannel::State;

namespace {

void hold(CoordinatorStranger& world, std::uint64_t count) {
  for (std::uint64_t n = 0; n < count; ++n) world.honest.hold({vector_element(n)});
}

}  // namespace

TEST_CASE("a wrong proof closes the channel without a word: made up, echoed, or of the other role") {
  for (const Role role : {Role::initiator, Role::responder}) {
    CoordinatorStranger world(role);
    hold(world, 3);
    auto handshake = world.proper();
    SUBCASE("made up") { handshake.proof = Hash{}; }
    SUBCASE("proof_echo, proof_other_role") { handshake.proof = world.keys.proof(other(role)); }
    world.open(handshake);
    CHECK(world.heard.empty());
    CHECK(world.honest.channel->state() == State::closed);
    CHECK(world.honest.channel->ending().proof_failed);
    CHECK_FALSE(world.honest.ended);
  }
}

TEST_CASE("versions and features that cannot be met are answered with their reason") {
  CoordinatorStranger world;
  auto handshake = world.proper();
  SUBCASE("a version that is too new") {
    handshake.version = handshake.lowest = 2;
    world.open(handshake);
    CHECK(world.bye() == ByeReason::version);
  }
  SUBCASE("a version that is too old") {
    handshake.version = handshake.lowest = 0;
    world.open(handshake);
    CHECK(world.bye() == ByeReason::version);
  }
  SUBCASE("a feature that is not here") {
    handshake.required = 4;
    world.open(handshake);
    CHECK(world.bye() == ByeReason::feature);
  }
  CHECK(world.count(MessageType::root) == 0);
}

TEST_CASE("a newer version that speaks ours, unknown features and message types are taken as they come") {
  CoordinatorStranger world;
  auto handshake = world.proper();
  handshake.version = 7;
  handshake.features = 0xff;
  world.open(handshake);
  world.mux.send(world.id, 11, as_bytes("of a later version"));
  world.say_root(0);
  CHECK(world.count(MessageType::root) == 1);
  CHECK(world.honest.channel->state() == State::proved);
}

TEST_CASE("a body that does not decode ends the session, whatever its type") {
  for (std::uint64_t type = 0; type <= 10; ++type) {
    CAPTURE(type);
    CoordinatorStranger world;
    world.open();
    world.say_bytes(static_cast<MessageType>(type), as_bytes("\xff"));
    CHECK(world.honest.ended == SessionEnd::malformed_message);
  }
}

TEST_CASE("list_of_1025, items of 1,025 and announce_garbage are malformed") {
  CoordinatorStranger world;
  world.open();
  world.say_root(5'000);
  SUBCASE("list") {
    coordinator::Nodes nodes;
    nodes.entries.push_back({SlotPrefix(), coordinator::List(1'025)});
    world.say(MessageType::nodes, nodes);
  }
  SUBCASE("items") {
    coordinator::Items items;
    items.items.resize(1'025);
    world.say(MessageType::items, items);
  }
  SUBCASE("a key of 31 bytes") {
    Buffer body;
    Writer writer(body);
    writer.uint(0);  // flags
    writer.uint(1);
    writer.uint(0);
    writer.raw(Buffer(31));
    world.say_bytes(MessageType::items, body);
  }
  CHECK(world.honest.ended == SessionEnd::malformed_message);
}

TEST_CASE("items_without_credit are dropped whole and counted; ten times the credit is a flood") {
  CoordinatorStranger world;
  world.honest.options.credit = 100;
  world.open();
  world.say_root(0);
  coordinator::Items items;
  for (std::uint64_t n = 0; n < 101; ++n) {
    const auto element = vector_element(n);
    items.items.push_back({.key = element.key, .fork = element.fork, .length = element.length});
  }
  world.say(MessageType::items, items);
  CHECK(world.honest.learnt.empty());
  CHECK(world.honest.channel->items_beyond_credit() == 101);
  for (int i = 0; i < 8; ++i) world.say(MessageType::items, items);
  CHECK_FALSE(world.honest.ended);
  world.say(MessageType::items, items);
  CHECK(world.honest.ended == SessionEnd::announce_flood);
  CHECK(world.bye() == ByeReason::announce_flood);
}

TEST_CASE("what was never listed or asked is passed over: need_unlisted, a tell of no question") {
  CoordinatorStranger world;
  hold(world, 40);
  world.open();
  world.say_root(5'000);
  world.say(MessageType::need, coordinator::Need{{world.keys.tag(slot_of(vector_element(1).key))}});
  world.say(MessageType::tell, coordinator::Tell{99, {coordinator::Holding::part}});
  CHECK(world.count(MessageType::items) == 0);
  CHECK(world.honest.channel->state() == State::proved);
  CHECK(world.honest.channel->take_held().empty());
}

TEST_CASE("a tell of another size than its question is a breach") {
  CoordinatorStranger world;
  world.open();
  world.say_root(0);
  REQUIRE(world.honest.channel->ask({vector_element(1).key}));
  world.carry();
  world.say(MessageType::tell, coordinator::Tell{1, {}});
  CHECK(world.bye() == ByeReason::protocol);
}

TEST_CASE("eight questions are open at a time: we ask no more, and more than that is a breach (C7)") {
  CoordinatorStranger world;
  hold(world, 100'000);  // more than is looked through while all are said
  world.open();
  world.say_root(0, 1'000, true);
  for (int i = 0; i < 8; ++i) CHECK(world.honest.channel->ask({vector_element(1).key}));
  CHECK_FALSE(world.honest.channel->ask({vector_element(1).key}));
  world.carry();
  CHECK(world.count(MessageType::ask) == 8);
  world.say(MessageType::tell, coordinator::Tell{1, {coordinator::Holding::part}});
  CHECK(world.honest.channel->ask({vector_element(1).key}));

  const coordinator::Ask question{.id = 1, .tags = {world.keys.tag(slot_of(vector_element(1).key))}};
  for (int i = 0; i < 8; ++i) world.say(MessageType::ask, question);
  CHECK(world.honest.channel->state() == State::proved);
  CHECK(world.count(MessageType::tell) == 0);
  for (int i = 0; i < 2; ++i) world.say(MessageType::ask, question);
  CHECK(world.bye() == ByeReason::protocol);
}

TEST_CASE("who refuses and leaves has a bounded number of elements looked through, however many are here") {
  constexpr std::size_t elements = 100'000, refusals = 200;
  CoordinatorStranger world;
  hold(world, elements);
  world.open();
  world.say_root(0, 1'000, true);
  coordinator::Refuse refuse;
  for (std::size_t i = 0; i < refusals; ++i) {
    const Slot slot = slot_of(vector_element(1 + i * (elements / refusals)).key);
    refuse.refused.push_back({world.keys.tag(slot), coordinator::RefusalReason::quota});
  }
  world.say(MessageType::refuse, refuse);
  world.say(MessageType::bye, coordinator::Bye{.reason = ByeReason::closing, .text = {}});
  const auto named = world.honest.channel->take_refused();
  CHECK(!named.empty());
  CHECK(named.size() < refusals / 2);
}

TEST_CASE("turn_out_of_turn: nodes after the run is over are passed over") {
  CoordinatorStranger world;
  hold(world, 5);
  world.open();
  world.say_root(0, 1'000, true);
  coordinator::Nodes quiet{.end_of_turn = true, .quiet = true, .entries = {}};
  for (int i = 0; i < 20; ++i) world.say(MessageType::nodes, quiet);
  CHECK(world.honest.channel->live());
  CHECK(world.count(MessageType::nodes) <= 3);
}

TEST_CASE("nodes_nonsense: a liar that answers every digest makes us say no more than C3") {
  CoordinatorStranger world;
  hold(world, 3'000);
  world.open();
  world.say_root(1'000'000);
  std::uint64_t said = 0;
  for (int turn = 0; turn < 4'000 && world.open_; ++turn) {
    coordinator::Nodes nodes{.end_of_turn = true, .quiet = false, .entries = {}};
    coordinator::Digests digests{.levels = 2, .present = {}, .digests = {}};
    for (unsigned i = 0; i < 256; ++i) {
      digests.present[i] = true;
      coordinator::ShortDigest digest{};
      digest.value[0] = std::byte(turn);
      digests.digests.push_back(digest);
    }
    nodes.entries.push_back({SlotPrefix(), digests});
    world.say(MessageType::nodes, nodes);
  }
  for (const auto& each : world.heard)
    if (each.type == static_cast<std::uint64_t>(MessageType::nodes)) said += each.body.size();
  CHECK(world.bye() == ByeReason::protocol);
  CHECK(said <= 256 * 1024 + 32 * 3'000);
}

TEST_CASE("run_storm: a root a moment begins no more than three runs and one more in ten seconds (C4)") {
  CoordinatorStranger world;
  hold(world, 5);
  world.open();
  for (int i = 0; i < 30; ++i) {
    world.say_root(5'000);
    world.wait(milliseconds(200));
  }
  CHECK(world.honest.channel->state() == State::proved);
  CHECK(world.count(MessageType::root) <= 3);
  CHECK(world.honest.channel->runs() <= 3);
  world.wait(seconds(10));
  CHECK(world.count(MessageType::root) <= 4);
}

TEST_CASE("more than twenty roots or settleds a second are a breach (C10)") {
  CoordinatorStranger world;
  world.open();
  world.say_root(0);
  for (int i = 0; i < 60; ++i) {
    SUBCASE("roots") { world.say_root(0); }
    SUBCASE("settleds") { world.say(MessageType::settled, coordinator::Settled{0, false}); }
  }
  CHECK(world.bye() == ByeReason::protocol);
}

TEST_CASE("settled for more than was said is a breach") {
  CoordinatorStranger world;
  world.open();
  world.say_root(0);
  world.say(MessageType::settled, coordinator::Settled{1'000, false});
  CHECK(world.bye() == ByeReason::protocol);
}

TEST_CASE("a peer that lets runs hang is left after the third (slow)") {
  CoordinatorStranger world;
  hold(world, 5);
  world.open();
  world.say_root(5'000);
  for (int i = 0; i < 3; ++i) {
    CHECK(world.honest.channel->state() == State::proved);
    world.wait(seconds(30));
    world.wait(seconds(1));
    world.say_root(5'000);
  }
  CHECK(world.bye() == ByeReason::slow);
}

TEST_CASE("an open that nobody answers for ten seconds makes the peer a plain one (C1)") {
  CoordinatorEnd end;
  const Instant now{seconds(5)};
  end.start(Role::initiator, some_handshake_hash(), now);
  CHECK(*end.channel->next_deadline() == now + seconds(10));
  end.channel->on_time(now + seconds(9));
  CHECK(end.channel->state() == State::opening);
  end.channel->on_time(now + seconds(10));
  CHECK(end.channel->state() == State::closed);
  CHECK(end.channel->ending().rejected);
}

TEST_CASE("a channel at rest keeps little, whatever it has told (C9)") {
  CoordinatorPair pair;
  pair.a.hold({});
  for (std::uint64_t n = 0; n < 20'000; ++n) pair.a.hold({vector_element(n)});
  pair.b.options.trusted = true;
  pair.start();
  pair.wait(seconds(30));
  CHECK(pair.b.learnt.size() == 20'000);
  for (std::uint64_t from = 0; from < 8'192; from += 1'024) {
    std::vector<CoreKey> keys;
    for (std::uint64_t n = from; n < from + 1'024; ++n) keys.push_back(vector_element(n).key);
    REQUIRE(pair.b.channel->ask(keys));
  }
  for (std::uint64_t n = 0; n < 2'000; ++n)
    pair.b.channel->refuse(vector_element(n).key, coordinator::RefusalReason::quota);
  pair.b.channel->pump(pair.now);
  pair.wait(seconds(30));
  CHECK(pair.b.channel->questions() == 0);
  CHECK(pair.a.channel->take_refused().size() >= 1'024);
  CHECK(pair.a.channel->memory_bytes() < 64 * 1024);
  CHECK(pair.b.channel->memory_bytes() < 64 * 1024);
}
