// Messages of a core's channel that claim, ask or send what they should not.
#include <ctime>

#include "tests/hostile/liar.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t batch = type_number(ControlType::batch);

template <class Message>
Buffer body_of(const Message& message) {
  Buffer out;
  Writer writer(out);
  encode(writer, message);
  return out;
}

// The same message many times in one frame; `make(i)` gives each one's body.
template <class Make>
Buffer many(std::uint64_t channel, MessageType type, std::size_t count, Make make) {
  Buffer out;
  Writer writer(out);
  writer.uint(channel);
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer body = make(i);
    writer.uint(uint_size(static_cast<std::uint64_t>(type)) + body.size());
    writer.uint(static_cast<std::uint64_t>(type));
    writer.raw(body);
  }
  return out;
}

Request block_request(std::uint64_t id, std::uint64_t block) {
  Request out;
  out.id = id;
  out.proof.block = BlockRequest{BlockIndex{block}, 0};
  return out;
}

// The largest number of blocks that a message may name.
constexpr std::uint64_t most_blocks = (std::uint64_t{1} << 52) - 1;

}  // namespace

TEST_CASE("open_wrong_capability: an open without the core's key ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.say_open(world.own().key(), Hash{});
  CHECK(peer.ended() == SessionEnd::invalid_capability);
  world.unharmed();
}

TEST_CASE("an open of a core that is not here is rejected whatever its capability, and the session goes on") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.say_open(core_key(default_manifest(key_pair_of(99).public_key)));
  CHECK(peer.hear_control(ControlType::reject).has_value());
  peer.say_open(core_key(default_manifest(key_pair_of(98).public_key)), Hash{});
  CHECK(peer.hear_control(ControlType::reject).has_value());
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("sync_length_2p53 and a fork jump are asked about once and cost nothing; 2p64 ends the session") {
  HostileWorld world;
  for (const bool fork : {false, true}) {
    ScriptedPeer peer(world);
    peer.secure();
    const std::uint64_t channel = peer.open_core(world.followed().key());
    SyncMessage sync;
    sync.length = Length{most_blocks};
    if (fork) sync.fork = Fork{max_wire_integer};
    sync.can_upgrade = true;
    peer.say(channel, MessageType::sync, sync);
    std::size_t asked = 0;
    while (peer.hear(channel, MessageType::request)) ++asked;
    CHECK(asked == 1);
    CHECK(peer.alive());
    Buffer body = numbers({0, 0});
    append(body, Buffer(9, std::byte{0xff}));  // 2^64 - 1
    append(body, numbers({0}));
    peer.say(channel, static_cast<std::uint64_t>(MessageType::sync), body);
    CHECK(peer.ended() == SessionEnd::malformed_message);
  }
  world.unharmed();
}

TEST_CASE("range_2p53: ten thousand claims to have and to have dropped everything are cheap") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.followed().key());
  const std::clock_t began = std::clock();
  CHECK(peer.say(control_channel, batch, many(channel, MessageType::range, 10'000, [](std::size_t i) {
                   return body_of(RangeMessage{i % 2 == 1, BlockIndex{1 + i % 5}, Length{most_blocks - 8}});
                 })));
  CHECK(peer.alive());
  CHECK(std::clock() - began < CLOCKS_PER_SEC);
  peer.close();
  world.unharmed();
}

TEST_CASE_TEMPLATE("scattered ranges are forgotten rather than kept without bound", World, HostileWorld,
                   ThreadedWorld) {
  World world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.followed().key());
  for (std::uint64_t frame = 0; frame < 20; ++frame)
    CHECK(peer.say(
        control_channel, batch, many(channel, MessageType::range, 10'000, [&](std::size_t i) {
          return body_of(RangeMessage{false, BlockIndex{(frame * 10'000 + i) * 1'000'003}, Length{1}});
        })));
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("range_overflow: a range past the last number ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.followed().key());
  peer.say(channel, MessageType::range,
           RangeMessage{false, BlockIndex{max_wire_integer}, Length{max_wire_integer}});
  CHECK(peer.ended() == SessionEnd::malformed_message);
  world.unharmed();
}

TEST_CASE("bitfield_unaligned is ignored, _15MiB is bounded, _at_2p53 ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.followed().key());
  const Buffer words(64, std::byte{0xff});
  peer.say(channel, MessageType::bitfield, BitfieldMessage{BlockIndex{7}, words});
  CHECK(peer.alive());
  {
    Buffer stripes(15 * 1024 * 1024, std::byte{0x55});
    CHECK(peer.say(channel, MessageType::bitfield, BitfieldMessage{BlockIndex{0}, stripes}));
  }
  CHECK(peer.alive());
  peer.say(channel, MessageType::bitfield, BitfieldMessage{BlockIndex{max_wire_integer / 32 * 32}, words});
  CHECK(peer.ended() == SessionEnd::malformed_message);
  // Ours are the three copies of 15 MiB that the message is made of; the victim's are its receive budget.
  world.unharmed(4 * 16 * 1024 * 1024 + Limits{}.receive_bytes_session);
}

TEST_CASE("want_unwant_storm: a million of them are answered with no more than twice their bytes") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  std::size_t said = 0, heard = 0;
  for (int frame = 0; frame < 20; ++frame) {
    const Buffer wants = many(channel, MessageType::want, 25'000, [](std::size_t) {
      return body_of(Want{BlockIndex{0}, Length{1 << 21}, false});
    });
    const Buffer unwants = many(channel, MessageType::unwant, 25'000, [](std::size_t) {
      return body_of(Unwant{BlockIndex{0}, Length{1 << 21}, false});
    });
    said += wants.size() + unwants.size();
    REQUIRE(peer.say(control_channel, batch, wants));
    REQUIRE(peer.say(control_channel, batch, unwants));
    while (const auto range = peer.hear(channel, MessageType::range)) heard += range->size() + 2;
  }
  CHECK(heard <= 2 * said);
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "request_flood: of a million distinct requests no more than 4,096 wait before the session ends; the same "
    "ten over and over are no flood",
    World, HostileWorld, ThreadedWorld) {
  World world;
  for (const bool distinct : {true, false}) {
    ScriptedPeer peer(world);
    peer.secure();
    const std::uint64_t channel = peer.open_core(world.own().key());
    bool taken = true;
    for (std::size_t frame = 0; frame < 25 && taken; ++frame) {
      taken =
          peer.say(control_channel, batch, many(channel, MessageType::request, 40'000, [&](std::size_t i) {
                     return body_of(block_request(distinct ? 1 + frame * 40'000 + i : 1 + i % 10, i % 64));
                   }));
      if (!distinct)  // read, or the victim would rightly stop reading us
        while (peer.hear(channel, MessageType::data)) {
        }
    }
    if (distinct)
      CHECK(peer.ended() == SessionEnd::request_flood);
    else
      CHECK((taken && peer.alive()));
  }
  world.unharmed();
}

TEST_CASE_TEMPLATE("slow_reader: who asks and never reads is not read from either, and ends after a minute",
                   World, HostileWorld, ThreadedWorld) {
  World world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  bool taken = true;
  std::uint64_t id = 0;
  for (; id < 400'000 && taken;) {
    Buffer frames;
    for (int i = 0; i < 500; ++i) {
      ++id;
      append(frames, peer.sealed(mux_frame(channel, static_cast<std::uint64_t>(MessageType::request),
                                           body_of(block_request(id, id % 64)))));
    }
    taken = peer.write(frames);
  }
  CHECK_FALSE(taken);  // the victim stopped reading
  world.pass(50s);
  CHECK_FALSE(world.ended(peer.name()).has_value());
  world.until([&] { return world.ended(peer.name()).has_value(); }, 30s);
  REQUIRE(world.ended(peer.name()).has_value());
  CHECK(world.ended(peer.name())->reason == SessionEnd::slow_reader);
  peer.close();
  world.unharmed(2 * HostileWorld::memory_growth);  // 4 MiB may wait to be sent, and are made twice over
}

TEST_CASE("impossible requests are refused as invalid, and the 65th ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  const auto impossible = [](std::uint64_t id) {
    Request out;
    out.id = id;
    switch (id % 3) {
      case 0:  // a node beyond the tree
        out.proof.hash = HashRequest{TreeIndex{1'000'001}, 0};
        break;
      case 1:  // an upgrade that begins where no tree of ours has been
        out.proof.upgrade = UpgradeRequest{Length{1'000}, Length{5}};
        break;
      default:  // all at once, and none of it together
        out.proof.block = BlockRequest{BlockIndex{3}, 0};
        out.proof.seek = SeekRequest{ByteCount{max_wire_integer}, {}};
        out.proof.upgrade = UpgradeRequest{Length{900}, Length{5}};
    }
    return out;
  };
  for (std::uint64_t id = 1; id <= 64; ++id) {
    peer.say(channel, MessageType::request, impossible(id));
    const auto refusal = peer.hear(channel, MessageType::no_data);
    REQUIRE(refusal.has_value());
    CHECK(decode_no_data(*refusal)->reason == NoDataReason::invalid_request);
  }
  CHECK(peer.alive());
  peer.say(channel, MessageType::request, impossible(66));
  CHECK(peer.ended() == SessionEnd::invalid_request);
  world.unharmed();
}

TEST_CASE("cancel_unknown, nodata_unsolicited and data_unsolicited are ignored") {
  HostileWorld world;
  world.writer.append(4);
  Liar liar(world, world.writer);
  ScriptedPeer& peer = liar.peer();
  peer.say(liar.channel(), MessageType::cancel, Cancel{4711});
  peer.say(liar.channel(), MessageType::no_data, NoData{4711, NoDataReason::none});
  Request unasked;
  unasked.id = 4711;
  unasked.manifest = true;
  unasked.proof.upgrade = UpgradeRequest{{}, world.writer.head.length};
  unasked.proof.block = BlockRequest{BlockIndex{0}, 0};
  liar.answer(unasked);
  CHECK(peer.alive());
  CHECK(world.info(world.followed()).length == Length{0});
  peer.close();
  world.unharmed();
}

TEST_CASE_TEMPLATE("claims_have_never_serves: what one peer owes for five seconds is asked of another", World,
                   HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(40);
  Liar fast(world, world.writer);
  fast.announce(BlockRange{});  // its length; the blocks come later
  fast.serve();
  REQUIRE(world.info(world.followed()).length == Length{40});
  Liar mute(world, world.writer);
  mute.knows(Length{40});
  mute.announce();
  std::size_t owed = 0;
  while (mute.asked()) ++owed;
  CHECK(owed == 40);
  fast.knows(Length{40});
  fast.announce();
  CHECK(fast.serve() == 0);
  world.pass(6s);
  CHECK(fast.serve() == 40);
  CHECK(world.info(world.followed()).local == Length{40});
  // The slow one is asked nothing while the other can be.
  world.writer.append(2);
  fast.announce();
  mute.announce();
  CHECK(fast.serve() >= 2);
  CHECK(world.info(world.followed()).local == Length{42});
  CHECK_FALSE(mute.asked().has_value());
  mute.peer().close();
  fast.peer().close();
  world.unharmed();
}

TEST_CASE_TEMPLATE("a refusal that comes late, or for what was taken back, is no harm: another peer is asked",
                   World, HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(12);
  Liar slow(world, world.writer);
  slow.announce(BlockRange{});
  slow.serve();
  REQUIRE(world.info(world.followed()).length == Length{12});
  slow.knows(Length{12});
  slow.announce();
  std::vector<Request> owed;
  while (auto request = slow.asked()) owed.push_back(std::move(*request));
  REQUIRE(owed.size() == 12);
  const auto refuse = [&](const Request& request) {
    slow.peer().say(slow.channel(), MessageType::no_data, NoData{request.id, NoDataReason::invalid_request});
  };
  // Half of it after three seconds: they are not asked of it again, but of whoever comes.
  world.pass(3s);
  for (std::size_t i = 0; i < 6; ++i) refuse(owed[i]);
  CHECK_FALSE(slow.asked().has_value());
  Liar honest(world, world.writer);
  honest.knows(Length{12});
  honest.announce();
  CHECK(honest.serve() == 6);
  // The rest once it was asked of the other.
  world.pass(6s);
  CHECK(honest.serve() == 6);
  for (std::size_t i = 6; i < owed.size(); ++i) refuse(owed[i]);
  CHECK(slow.peer().alive());
  CHECK(world.info(world.followed()).local == Length{12});
  slow.peer().close();
  honest.peer().close();
  world.unharmed();
}

TEST_CASE("a fork that is claimed and never shown does not hold up the one that is shared") {
  HostileWorld world;
  world.writer.append(3);
  LogWriter phantom(key_pair_of(7));
  phantom.append(3);
  phantom.head.fork = Fork{9};
  Liar mute(world, phantom);
  mute.announce();
  CHECK(mute.asked().has_value());
  Liar honest(world, world.writer);
  honest.announce();
  CHECK(honest.serve() == 0);
  world.pass(6s);
  CHECK(honest.serve() > 0);
  CHECK(world.info(world.followed()).local == Length{3});
  mute.peer().close();
  honest.peer().close();
  world.unharmed();
}

TEST_CASE(
    "an extension nobody knows is skipped, also one of 15 MiB; one that does not decode ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  {
    const Buffer payload(15 * 1024 * 1024);
    CHECK(peer.say(channel, MessageType::extension, Extension{"unknown", payload}));
  }
  peer.say(channel, MessageType::extension, Extension{"", {}});
  CHECK(peer.alive());
  peer.say(channel, static_cast<std::uint64_t>(MessageType::extension), numbers({200, 1}));
  CHECK(peer.ended() == SessionEnd::malformed_message);
  // Ours are the copies that the message is made of; the victim's are its receive budget.
  world.unharmed(4 * 16 * 1024 * 1024 + Limits{}.receive_bytes_session);
}
