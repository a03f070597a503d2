// The bundle's channel over a real socket, against peers that flood, lie and probe: reliability cases 40, 41
// and 43, and what the channel's own tests cannot see: what is followed, kept and confirmed because of them.
#include "protocol/signables.hpp"
#include "tests/hostile/scripted_peer.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
using coordinator::ByeReason;
using Type = coordinator::MessageType;

namespace {

constexpr std::uint64_t most = (std::uint64_t{1} << 52) - 1;

coordinator::Item claim(const CoreKey& key, std::uint64_t length = 1, bool bare = false) {
  coordinator::Item out;
  out.holding = coordinator::Holding::whole_db;
  out.bare = bare;
  out.key = key;
  out.length = Length{length};
  return out;
}

CoreKey junk_key(HostileWorld& world) {
  CoreKey key;
  world.random().fill(key.bytes());
  return key;
}

coordinator::Items junk(HostileWorld& world, std::size_t count) {
  coordinator::Items out;
  for (std::size_t i = 0; i < count; ++i) out.items.push_back(claim(junk_key(world)));
  return out;
}

// Proved, and both roots are said: nothing of ours is compared with what the victim holds.
struct BundlePeer : ScriptedPeer {
  explicit BundlePeer(HostileWorld& world) : ScriptedPeer(world) {
    secure();
    REQUIRE(open_bundle());
    const auto heard = hear_bundle(Type::root);
    REQUIRE(heard.has_value());
    root = *coordinator::decode_root(*heard);
    say_bundle(Type::root, coordinator::Root{.count = root.count, .digest = root.digest, .credit = 5'000});
  }
  // So much time passes, and it is heard of.
  void live_on(HostileWorld& world, Duration time) {
    world.pass(time);
    say_bundle(Type::credit, coordinator::Credit{0});
  }
  std::optional<ByeReason> bye() {
    const auto body = hear_bundle(Type::bye);
    if (!body) return std::nullopt;
    return coordinator::decode_bye(*body)->reason;
  }
  std::size_t refused(coordinator::RefusalReason reason) {
    std::size_t out = 0;
    while (const auto body = hear_bundle(Type::refuse)) {
      const auto message = coordinator::decode_refuse(*body);
      for (const auto& refusal : message->refused) out += refusal.reason == reason;
    }
    return out;
  }
  coordinator::Root root;
};

std::size_t cores(HostileWorld& world) {
  std::optional<std::size_t> out;
  world.spawn([](Node& node, std::optional<std::size_t>& count) -> awaitable<void> {
    const auto all = co_await node.cores();
    count = all ? all->size() : 0;
  }(world.victim(), out));
  REQUIRE(world.until([&] { return out.has_value(); }, 1min));
  return *out;
}

}  // namespace

TEST_CASE(
    "announce_flood: within the credit junk keys live in memory alone; ten times beyond it is the end") {
  HostileWorld world;
  const std::size_t before = cores(world);
  BundlePeer peer(world);
  CHECK(peer.root.credit == 1'024);
  std::size_t said = 0;
  while (said < 20'000 && peer.say_bundle(Type::items, junk(world, 1'000))) said += 1'000;
  CHECK(peer.ended() == SessionEnd::announce_flood);
  CHECK(cores(world) == before);
  world.unharmed();
}

TEST_CASE(
    "announce_flood in patience: new keys come back at 64 a minute, and claims that stay empty end it") {
  HostileWorld world;
  const std::size_t before = cores(world);
  BundlePeer peer(world);
  peer.say_bundle(Type::items, junk(world, 1'000));
  CHECK(peer.alive());
  CHECK(cores(world) == before);
  // None of the keys' channels is answered: the victim asked for them, and hears no more of it.
  for (int i = 0; i < 60 && !world.ended(peer.name()); ++i) peer.live_on(world, 5s);
  CHECK(peer.ended() == SessionEnd::announce_flood);
  world.pass(1min);
  CHECK(cores(world) == before);
  world.unharmed();
}

TEST_CASE(
    "HM-17, announce_garbage: keys that are none, twice the same, and the victim's own are passed over") {
  HostileWorld world;
  const std::size_t before = cores(world);
  BundlePeer peer(world);
  coordinator::Items items;
  items.items.push_back(claim(CoreKey{}));
  CoreKey low_order;
  low_order.bytes()[0] = std::byte{1};
  items.items.push_back(claim(low_order));
  items.items.push_back(claim(world.own().key(), 1, true));
  items.items.push_back(claim(world.own().key(), 1, true));
  items.items.push_back(claim(world.own().key(), 0, true));
  peer.say_bundle(Type::items, items);
  CHECK(peer.alive());
  CHECK(cores(world) == before);
  Buffer short_key = numbers({0, 1, 0});
  append(short_key, Buffer(31, std::byte{7}));
  peer.say_bundle_bytes(Type::items, short_key);
  CHECK(peer.ended() == SessionEnd::malformed_message);
  world.unharmed();
}

TEST_CASE(
    "heads_2p53: claims of heads that never come true cost the peer its word, and a flood of them the "
    "session") {
  HostileWorld world;
  BundlePeer peer(world);
  coordinator::Items items;
  items.items.push_back(claim(world.followed().key(), most, true));
  items.items.push_back(claim(world.own().key(), most, true));
  peer.say_bundle(Type::items, items);
  CHECK(peer.alive());
  for (int i = 0; i < 24; ++i) peer.live_on(world, 5s);
  CHECK(world.info(world.own()).length == Length{HostileWorld::own_blocks});
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("bare cores that nobody asked for are refused with their reason") {
  HostileWorld world;
  const std::size_t before = cores(world);
  BundlePeer peer(world);
  coordinator::Items items;
  for (int i = 0; i < 10; ++i) items.items.push_back(claim(junk_key(world), 1, true));
  peer.say_bundle(Type::items, items);
  CHECK(peer.refused(coordinator::RefusalReason::policy) == 10);
  CHECK(cores(world) == before);
  peer.close();
  world.unharmed();
}

TEST_CASE("private_archive_probe: what is private is neither compared, told, confirmed nor opened") {
  HostileWorld world;
  std::uint64_t count = 0;
  {
    BundlePeer peer(world);
    count = peer.root.count;
    peer.close();
  }
  auto secret = world.run(world.victim().create_core("secret"));
  REQUIRE(secret.has_value());
  REQUIRE(world.run(world.victim().follow(secret->key(), {.encryption_key = {}, .is_private = true}))
              .has_value());
  REQUIRE(world.run(secret->append(as_bytes("nobody's business"))).has_value());
  BundlePeer peer(world);
  CHECK(peer.root.count == count);
  const coordinator::Tag tag = peer.bundle_keys().tag(slot_of(secret->key()));
  peer.say_bundle(Type::ask, coordinator::Ask{1, {tag}});
  const auto told = peer.hear_bundle(Type::tell);
  REQUIRE(told.has_value());
  CHECK(coordinator::decode_tell(*told)->holdings == std::vector{coordinator::Holding::nothing});
  // A key that is claimed, known to us or not, gets one answer.
  coordinator::Items items;
  items.items.push_back(claim(secret->key()));
  peer.say_bundle(Type::items, items);
  peer.say_open(secret->key());
  CHECK(peer.hear_control(ControlType::reject).has_value());
  peer.say_bundle(Type::need, coordinator::Need{{tag}});
  CHECK_FALSE(peer.hear_bundle(Type::items).has_value());
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("proof_echo: who repeats the victim's own words proves nothing, and the third time is the last") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  for (int i = 0; i < 3; ++i) {
    CHECK(peer.alive());
    peer.open_bundle(peer.bundle_keys().proof(Role::responder));
    CHECK_FALSE(peer.hear_bundle(Type::root).has_value());
  }
  CHECK(peer.ended() == SessionEnd::invalid_capability);
  world.unharmed();
}

TEST_CASE(
    "HM-23, topic_guess: a hundred thousand other ids than the session's topic are rejected, each with a "
    "word") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    Hash guess;
    world.random().fill(guess.bytes());
    REQUIRE(peer.say(control_channel, type_number(ControlType::open),
                     open_body(i, coordinator::protocol_name, guess.bytes(), Buffer(36))));
    if (i % 1'000 == 0) REQUIRE(peer.alive());  // reads, or the victim would rightly stop reading
  }
  std::size_t rejected = 0;
  while (peer.hear_control(ControlType::reject)) ++rejected;
  CHECK(rejected == 100'000);
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("run_storm, nodes_nonsense and need_unlisted end the channel with a reason, and not the session") {
  HostileWorld world;
  {
    BundlePeer peer(world);
    peer.say_bundle(Type::need, coordinator::Need{{coordinator::Tag{}}});
    CHECK(peer.alive());
    for (std::uint64_t i = 0; i < 200; ++i)
      peer.say_bundle(Type::root, coordinator::Root{.count = i, .digest = {}, .credit = 0});
    CHECK(peer.bye() == ByeReason::protocol);
    CHECK(peer.alive());
    peer.close();
  }
  {
    BundlePeer peer(world);
    peer.say_bundle(Type::root, coordinator::Root{.count = 1'000'000, .digest = {}, .credit = 0});
    // Digests of everything, all of them nonsense, turn after turn.
    coordinator::Nodes nodes;
    nodes.end_of_turn = true;
    coordinator::Digests digests;
    digests.levels = 2;
    for (std::size_t i = 0; i < digests.width(); ++i) {
      digests.present.set(i);
      digests.digests.emplace_back();
    }
    for (int i = 0; i < 25; ++i) nodes.entries.push_back({SlotPrefix(), digests});
    for (int i = 0; i < 20 && !world.ended(peer.name()); ++i) peer.say_bundle(Type::nodes, nodes);
    CHECK(peer.bye() == ByeReason::protocol);
    CHECK(peer.alive());
    peer.close();
  }
  world.unharmed();
}
