// One core with one peer: what is said unasked, what is asked, what is believed. "Trap n" is the number of
// the trap in the description of the replication protocol; those that lie below or above a channel are tested
// there.
#include <doctest/doctest.h>

#include "tests/support/channel_talk.hpp"

using namespace sheaf;
using namespace sheaf::test;
using Lines = ChannelTalk::Lines;

namespace {

// A reader that has nothing yet, talking to a writer, both real.
struct Both {
  explicit Both(std::uint64_t blocks) : log(key_pair_of(7)) {
    log.append(blocks);
    writer_local = local_of(log);
    reader_local = local_of(log, false);
    reader_local.key = log.key;
  }

  // Carries frames until nobody says more; gives how many went.
  std::size_t settle(std::size_t most = 100) {
    std::size_t frames = 0;
    for (bool said = true; said && frames < most;) {
      said = false;
      said |= carry(reader_mux, writer_mux, writer, frames);
      said |= carry(writer_mux, reader_mux, reader, frames);
    }
    return frames;
  }

  bool carry(Mux& from, Mux& to, CoreChannel& hearer, std::size_t& frames) {
    bool said = false;
    while (auto frame = from.next_frame()) {
      said = true;
      ++frames;
      to.receive(kept.emplace_back(to_buffer(frame->content())), {});
      while (const auto event = to.next_event()) {
        if (const auto* opened = std::get_if<ChannelOpened>(&*event))
          CHECK_FALSE(hearer.opened(opened->handshake, {}).has_value());
        if (const auto* message = std::get_if<ChannelMessage>(&*event))
          CHECK_FALSE(hearer.receive(message->type, message->body, Slab(), {}).has_value());
      }
    }
    return said;
  }

  void open() {
    reader.open(Role::initiator, hash);
    writer.open(Role::responder, hash);
  }

  Limits limits;
  LogWriter log;
  LocalCore writer_local, reader_local;
  Mux writer_mux{limits}, reader_mux{limits};
  CoreChannel writer{writer_local, writer_mux, limits}, reader{reader_local, reader_mux, limits};
  WideHash hash{};
  std::deque<Buffer> kept;
};

Request block_request(std::uint64_t id, std::uint64_t block, std::uint64_t fork = 0) {
  Request out;
  out.id = id;
  out.fork = {fork};
  out.proof.block = BlockRequest{{block}, 0};
  return out;
}

Data block_data(std::uint64_t request, std::uint64_t block, Bytes value, std::uint64_t fork = 0) {
  Data out;
  out.request = request;
  out.fork = {fork};
  out.proof.block = BlockProof{{block}, value, {}};
  return out;
}

Lines none() { return {}; }

}  // namespace

TEST_CASE("opening says our length and then our blocks, in one frame") {
  ChannelTalk talk(5);
  CHECK(talk.open() == Lines{"sync 0/5 acks 0 can-upgrade manifest", "range 0+5"});
  CHECK(talk.frames_said == 2);  // the open, and one batch
  CHECK(talk.channel.is_open());
}

TEST_CASE("trap 9: a sync is sent at once, even of a core without a block") {
  ChannelTalk talk(0);
  CHECK(talk.open() == Lines{"sync 0/0 acks 0 can-upgrade manifest"});
}

TEST_CASE("trap 13: the capability is of the sender's role, and a wrong one ends the session") {
  for (const Role role : {Role::initiator, Role::responder}) {
    ChannelTalk right(1);
    right.open(role);
    CHECK_FALSE(right.ended.has_value());

    // The peer sends back the capability that we sent.
    ChannelTalk echo(1);
    echo.channel.open(role, echo.hash);
    Buffer handshake;
    Writer writer(handshake);
    encode(writer, ChannelHandshake{true, capability(echo.log.key, echo.hash, role)});
    echo.their_id = echo.theirs.open(core_protocol, discovery_key(echo.log.key).bytes(), handshake);
    CHECK(echo.carry() == none());
    CHECK(echo.ended == SessionEnd::invalid_capability);
    CHECK_FALSE(echo.channel.is_open());
  }
}

TEST_CASE("a handshake that does not decode ends the session") {
  ChannelTalk talk(1);
  talk.channel.open(Role::initiator, talk.hash);
  CHECK(talk.channel.opened(Bytes(), {}) == SessionEnd::malformed_message);
}

TEST_CASE("trap 1: a length that changed is acknowledged, once") {
  ChannelTalk talk(5);
  talk.open();
  CHECK(talk.peer_is(0, 5) == none());  // nothing new for it: 0 is what we acknowledged already
  CHECK(talk.peer_is(3, 5) == Lines{"sync 0/5 acks 3 can-upgrade manifest"});
  CHECK(talk.peer_is(3, 5) == none());
  CHECK(talk.peer_is(5, 5) == Lines{"sync 0/5 acks 5 manifest"});
  CHECK(talk.append(1) == Lines{"sync 0/6 acks 5 can-upgrade manifest", "range 0+6"});
}

TEST_CASE("trap 1: an upgrade is asked for only when the peer knows our length") {
  ChannelTalk talk(3);
  talk.open();
  talk.peer_is(5, 0, true);
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  talk.peer_is(5, 3, true);
  CHECK(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 2: an upgrade is asked for only of whom says that it can prove one") {
  ChannelTalk talk(3);
  talk.open();
  talk.peer_is(5, 3, false);
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  talk.peer_is(5, 3, true);
  CHECK(talk.channel.can_ask_upgrade());
  talk.peer_is(3, 3, true);
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  SyncMessage silent;
  silent.length = {5};
  silent.remote_length = {3};
  silent.can_upgrade = true;
  silent.uploading = false;
  talk.say(silent);
  CHECK_FALSE(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 3: two sides never answer sync with sync for ever") {
  for (const std::uint64_t blocks : {0, 1, 5}) {
    Both both(blocks);
    both.open();
    CHECK(both.settle() <= 6);
    CHECK(both.settle() == 0);
    CHECK(both.reader.can_ask_upgrade() == (blocks > 0));
    CHECK_FALSE(both.writer.can_ask_upgrade());
  }
}

TEST_CASE("trap 3: an unchanged sync has no answer, however often it is said") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(2, 5);
  for (int i = 0; i < 10; ++i) CHECK(talk.peer_is(2, 5) == none());
  for (int i = 0; i < 10; ++i) CHECK(talk.peer_is(2, i) == none());  // what it knows of us is no news to it
}

TEST_CASE("trap 4: a normal core has a manifest to show, a compat core and an unknown one have none") {
  ChannelTalk compat(2, true);
  CHECK(compat.open() == Lines{"sync 0/2 acks 0 can-upgrade", "range 0+2"});
  Both both(0);
  CHECK_FALSE(both.reader_local.manifest.has_value());
  both.open();
  both.settle();
  CHECK_FALSE(both.writer.remote().has_manifest);
  CHECK(both.reader.remote().has_manifest);
}

TEST_CASE("canUpgrade is said only where the tree proves it") {
  ChannelTalk talk(13);
  talk.local.have.clear(BlockRange{{4}, {6}});
  talk.local.have.clear(BlockRange{{8}, {12}});
  // First, before anything is known of the peer, as everyone says it.
  CHECK(talk.open().front() == "sync 0/13 acks 0 can-upgrade manifest");
  for (std::uint64_t length = 0; length <= 13; ++length) {
    const bool provable = talk.local.proves_upgrade_from({length});
    ProofRequest upgrade;
    upgrade.upgrade = UpgradeRequest{{length}, {13 - length}};
    if (provable && length < 13) CHECK(talk.log.answer(upgrade).has_value());
    const Lines said = talk.peer_is(length, 13);
    if (length == 0 || said.empty()) continue;
    CHECK(said.front() == "sync 0/13 acks " + std::to_string(length) +
                              (provable && length < 13 ? " can-upgrade" : "") + " manifest");
  }
}

TEST_CASE("trap 5: blocks are told as they come, and not twice") {
  ChannelTalk talk(3);
  talk.open();
  CHECK(talk.append(2) == Lines{"sync 0/5 acks 0 can-upgrade manifest", "range 0+5"});
  talk.channel.blocks_stored({{4}, {5}});
  talk.channel.local_changed();
  CHECK(talk.carry() == none());
}

TEST_CASE("a block behind a gap is told near the end, or to whoever wants it") {
  ChannelTalk talk(1000);
  talk.local.have.clear(BlockRange{{0}, {1000}});
  CHECK(talk.open() == Lines{"sync 0/1000 acks 0 can-upgrade manifest"});
  const auto store = [&](std::uint64_t index) {
    talk.local.have.set(BlockIndex{index});
    talk.channel.blocks_stored({{index}, {index + 1}});
    return talk.carry();
  };
  CHECK(store(990) == Lines{"range 990+1"});
  CHECK(store(500) == none());
  CHECK(talk.say(Want{{0}, {1 << 21}, false}).size() == 1);
  CHECK(store(501) == Lines{"range 501+1"});
  talk.say(Unwant{{0}, {1 << 21}, false});
  CHECK(store(502) == none());
  talk.peer_is(992, 1000);
  talk.say(RangeMessage{false, {991}, {1}});
  CHECK(store(991) == none());  // it has that one
}

TEST_CASE("a want is answered by the whole prefix, by the bits, or not at all") {
  ChannelTalk talk(100);
  talk.open();
  CHECK(talk.say(Want{{0}, {1 << 21}, false}) == Lines{"range 0+100"});
  talk.local.have.clear(BlockRange{{40}, {50}});
  talk.channel.blocks_dropped({{40}, {50}});
  CHECK(talk.carry() == Lines{"drop 40+10"});
  CHECK(talk.say(Want{{0}, {32}, false}) == Lines{"range 0+40"});
  CHECK(talk.say(Want{{32}, {32}, false}) == Lines{"bitfield 32 [4294705407]"});
  CHECK(talk.say(Want{{0}, {(1 << 21) + 1}, false}) == none());
  CHECK(talk.say(Want{{1 << 21}, {1 << 21}, false}) == none());
  CHECK(talk.say(Want{{60}, {1}, true}) == Lines{"range 60+1"});
}

TEST_CASE("more wants than are kept count as wanting everything") {
  ChannelTalk talk(1000);
  talk.local.have.clear(BlockRange{{0}, {1000}});
  talk.open();
  for (std::uint64_t i = 0; i < 200; ++i) talk.say(Want{{(i + 40) << 21}, {1 << 21}, false});
  talk.local.have.set(BlockIndex{500});
  talk.channel.blocks_stored({{500}, {501}});
  CHECK(talk.carry() == Lines{"range 500+1"});
}

TEST_CASE("trap 17: a drop inside the prefix leaves the rest to be asked for, and a new prefix is told") {
  ChannelTalk talk(10);
  talk.open();
  talk.local.have.clear(BlockRange{{3}, {6}});
  talk.channel.blocks_dropped({{3}, {6}});
  CHECK(talk.carry() == Lines{"drop 3+3"});
  CHECK(talk.say(Want{{0}, {1 << 21}, false}) == Lines{"bitfield 0 [967]"});
  talk.local.have.set(BlockRange{{3}, {6}});
  talk.channel.blocks_stored({{3}, {6}});
  CHECK(talk.carry() == Lines{"range 0+10"});
}

TEST_CASE("the peer's own drop cuts what is known of it") {
  ChannelTalk talk(10);
  talk.open();
  talk.say(RangeMessage{false, {0}, {10}});
  CHECK(talk.channel.remote_has().contiguous() == Length{10});
  talk.say(RangeMessage{true, {3}, {3}});
  CHECK(talk.channel.remote_has().contiguous() == Length{3});
  CHECK_FALSE(talk.channel.remote_has().contains({4}));
}

TEST_CASE("trap 21: blocks told before the length are remembered") {
  ChannelTalk talk(2);
  talk.open();
  talk.say(RangeMessage{false, {0}, {5}});
  talk.peer_is(5, 2, true);
  CHECK(talk.channel.remote_has().contains({4}));
  CHECK(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 22: a claim of 2^51 blocks costs nothing") {
  ChannelTalk talk(2);
  talk.open();
  talk.say(RangeMessage{false, {1}, {std::uint64_t{1} << 51}});
  CHECK_FALSE(talk.ended.has_value());
  CHECK(talk.channel.remote_has().bytes() <= 4096);
  talk.say(RangeMessage{true, {1}, {std::uint64_t{1} << 51}});
  CHECK(talk.channel.remote_has().empty());
}

TEST_CASE("a bitfield that begins between words is ignored") {
  ChannelTalk talk(2);
  talk.open();
  const std::array<std::byte, 4> word{std::byte{0xff}};
  talk.say(MessageType::bitfield, BitfieldMessage{{8}, word});
  CHECK(talk.channel.remote_has().empty());
  talk.say(MessageType::bitfield, BitfieldMessage{{32}, word});
  CHECK(talk.channel.remote_has().covers({{32}, {40}}));
  CHECK_FALSE(talk.channel.remote_has().contains({40}));
}

TEST_CASE("wants are said once for a segment, and again after blocks of ours went") {
  ChannelTalk talk(2);
  talk.open();
  const auto want = [&](std::uint64_t index) {
    talk.channel.want({index});
    return talk.carry();
  };
  CHECK(want(5) == Lines{"want 0+2097152"});
  CHECK(want(6) == none());
  CHECK(want(std::uint64_t{3} << 21) == Lines{"want 6291456+2097152"});
  talk.channel.blocks_dropped({{1}, {2}});
  talk.carry();
  CHECK(want(1) == Lines{"want 0+2097152"});
}

TEST_CASE("trap 6: every request gets one reply, with a reason if it is refused") {
  ChannelTalk talk(3);
  talk.open();
  talk.say(block_request(1, 0));
  talk.say(block_request(2, 1));
  auto requests = talk.channel.take_requests(10);
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].id == 1);
  CHECK(requests[1].parts.block->index == BlockIndex{1});
  CHECK(talk.channel.pending_requests() == 2);
  talk.channel.answer(requests[1].ticket, encoded_data(block_data(2, 1, talk.log.blocks[1])));
  talk.channel.refuse(requests[0].ticket, NoDataReason::not_available);
  CHECK(talk.carry() == Lines{"data 2", "no_data 1 reason 1"});
  CHECK(talk.channel.pending_requests() == 0);
  talk.channel.refuse(requests[0].ticket, NoDataReason::not_available);
  CHECK(talk.carry() == none());
}

TEST_CASE("a cancelled request gets no reply, taken or not") {
  ChannelTalk talk(3);
  talk.open();
  talk.say(block_request(1, 0));
  talk.say(block_request(2, 1));
  const auto taken = talk.channel.take_requests(1);
  talk.say(Cancel{1});
  talk.say(Cancel{2});
  talk.say(Cancel{77});
  CHECK_FALSE(talk.channel.still_wanted(taken[0].ticket));
  talk.channel.refuse(taken[0].ticket, NoDataReason::not_available);
  CHECK(talk.channel.take_requests(10).empty());
  CHECK(talk.carry() == none());
  CHECK(talk.channel.pending_requests() == 0);
}

TEST_CASE("requests put back are taken again before all others, and those cancelled meanwhile are not") {
  ChannelTalk talk(3);
  talk.open();
  for (const std::uint64_t id : {1u, 2u, 3u}) talk.say(block_request(id, id - 1));
  auto taken = talk.channel.take_requests(2);
  talk.say(Cancel{1});
  talk.channel.put_back(std::move(taken));
  CHECK(talk.channel.has_requests());
  CHECK(talk.channel.pending_requests() == 2);
  taken = talk.channel.take_requests(10);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].id == 2);
  CHECK(taken[1].id == 3);
  talk.channel.answer(taken[0].ticket, encoded_data(block_data(2, 1, talk.log.blocks[1])));
  CHECK(talk.carry() == Lines{"data 2"});
  talk.say(Cancel{3});
  talk.channel.put_back({taken[1]});
  CHECK_FALSE(talk.channel.has_requests());
  CHECK(talk.channel.pending_requests() == 0);
}

TEST_CASE("an id that is used again gets the answer to its last request, and no other") {
  for (const bool cancelled : {false, true}) {
    for (const bool taken : {false, true}) {
      ChannelTalk talk(3);
      talk.open();
      talk.say(block_request(1, 0));
      std::vector<IncomingRequest> before;
      if (taken) before = talk.channel.take_requests(10);
      if (cancelled) talk.say(Cancel{1});
      talk.say(block_request(1, 2));
      if (taken) talk.channel.answer(before[0].ticket, encoded_data(block_data(1, 0, talk.log.blocks[0])));
      CHECK(talk.carry() == none());
      const auto after = talk.channel.take_requests(10);
      REQUIRE(after.size() == 1);
      CHECK(after[0].parts.block->index == BlockIndex{2});
      talk.channel.answer(after[0].ticket, encoded_data(block_data(1, 2, talk.log.blocks[2])));
      CHECK(talk.carry() == Lines{"data 1"});
    }
  }
}

TEST_CASE("requests without number: reading stops, and then the session ends") {
  ChannelTalk talk(3);
  talk.limits.requests_channel = 4;
  talk.limits.request_flood = 8;
  talk.open();
  for (std::uint64_t id = 1; id <= 8; ++id) {
    CHECK(talk.channel.wants_input() == (id <= 4));
    talk.say(block_request(id, 0));
  }
  CHECK_FALSE(talk.ended.has_value());
  talk.say(block_request(9, 0));
  CHECK(talk.ended == SessionEnd::request_flood);
}

TEST_CASE("requests taken back do not pile up") {
  ChannelTalk talk(3);
  talk.limits.request_flood = 8;
  talk.open();
  for (std::uint64_t id = 1; id <= 100; ++id) {
    talk.say(block_request(id, 0));
    talk.say(Cancel{id});
  }
  CHECK_FALSE(talk.ended.has_value());
  CHECK(talk.channel.pending_requests() == 0);
}

TEST_CASE("what we ask is numbered from 1, and a number is free again with its answer") {
  ChannelTalk talk(0);
  talk.open();
  talk.peer_is(5, 0, true);
  CHECK(talk.ask_block(0) == Lines{"request 1 @0 block 0+0"});
  CHECK(talk.ask_block(1, 2) == Lines{"request 2 @0 block 1+2"});
  CHECK(talk.channel.in_flight() == 2);
  const Buffer value = rule_block(0);
  talk.say(block_data(1, 0, value));
  CHECK(talk.channel.in_flight() == 1);
  CHECK(talk.ask_block(2) == Lines{"request 1 @0 block 2+0"});
  // A cancelled number is not used again: its answer may be under way.
  CHECK(talk.channel.cancel_block({1}));
  CHECK_FALSE(talk.channel.cancel_block({1}));
  CHECK(talk.carry() == Lines{"cancel 2"});
  CHECK(talk.ask_block(3) == Lines{"request 3 @0 block 3+0"});
  talk.channel.take_data();
  talk.say(block_data(2, 1, value));
  CHECK(talk.channel.take_data().empty());
}

TEST_CASE("data is matched with what was asked") {
  ChannelTalk talk(0);
  talk.open();
  talk.peer_is(5, 0, true);
  const Buffer value = rule_block(0);
  const auto answered_by = [&](const Data& data) {
    talk.say(RangeMessage{false, {0}, {5}});
    talk.ask_block(0);
    talk.say(data);
    const bool taken = !talk.channel.take_data().empty();
    const bool unanswered = !talk.channel.take_unanswered().empty();
    CHECK(taken != unanswered);
    CHECK(talk.channel.in_flight() == 0);
    return taken;
  };
  CHECK(answered_by(block_data(1, 0, value)));
  CHECK_FALSE(answered_by(block_data(1, 1, value)));     // another block
  CHECK_FALSE(answered_by(block_data(1, 0, value, 1)));  // of another fork
  CHECK_FALSE(answered_by(Data{1, {}, {}, {}}));         // nothing
  Data more = block_data(1, 0, value);
  more.proof.hash = HashProof{{2}, {}};
  CHECK_FALSE(answered_by(more));  // a part that was not asked for
  CHECK_FALSE(talk.ended.has_value());
}

TEST_CASE("what a peer did not give is not asked of it again before it says something new") {
  ChannelTalk talk(0);
  talk.open();
  talk.peer_is(5, 0, true);
  talk.say(RangeMessage{false, {0}, {5}});
  talk.ask_block(3);
  talk.channel.take_remote_changed();
  talk.say(NoData{1, NoDataReason::not_available});
  CHECK(talk.channel.take_remote_changed());
  const auto unanswered = talk.channel.take_unanswered();
  REQUIRE(unanswered.size() == 1);
  CHECK(unanswered[0].parts.block->index == BlockIndex{3});
  CHECK_FALSE(talk.channel.remote_has().contains({3}));
  talk.say(RangeMessage{false, {3}, {1}});
  CHECK(talk.channel.remote_has().contains({3}));
  talk.say(NoData{44, NoDataReason::none});  // of nothing that was asked
  CHECK(talk.channel.take_unanswered().empty());
}

TEST_CASE("an upgrade refused is not asked for again before the peer's state changes") {
  ChannelTalk talk(0);
  talk.open();
  talk.peer_is(5, 0, true);
  ProofRequest parts;
  parts.upgrade = UpgradeRequest{{}, {5}};
  talk.channel.ask(Purpose::blocks, {}, parts, true, Packing::alone, {});
  CHECK(talk.carry() == Lines{"request 1 @0 upgrade 0+5 manifest"});
  talk.say(NoData{1, NoDataReason::not_available});
  CHECK(talk.channel.upgrade_refused());
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  talk.peer_is(5, 0, true);
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  talk.peer_is(6, 0, true);
  CHECK(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 20: an answer that comes after the peer has left its fork says nothing of its blocks") {
  ChannelTalk talk(2);
  talk.open();
  talk.peer_is(5, 2, true);
  talk.say(RangeMessage{false, {0}, {5}});
  talk.ask_block(1);
  talk.say(RangeMessage{true, {3}, {2}});
  talk.peer_is(3, 0, false, 1);
  talk.say(NoData{1, NoDataReason::not_available});
  CHECK(talk.channel.take_unanswered().size() == 1);
  CHECK(talk.channel.remote_has().contains({1}));
}

namespace {

// Our core of five blocks, cut to three, and what is said of it.
void to_three_of_fork_one(ChannelTalk& talk) {
  talk.log.truncate({3}, {1});
  talk.local.head = talk.log.head;
  talk.local.have.truncate({3});
  talk.channel.blocks_dropped({{3}, {5}});
  talk.channel.local_changed();
}

}  // namespace

TEST_CASE("forks: the blocks that went are dropped first, then the new fork is said") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(5, 5);
  to_three_of_fork_one(talk);
  CHECK(talk.carry() == Lines{"drop 3+2", "sync 1/3 acks 0 manifest"});
  // It follows, and hears that we have heard.
  CHECK(talk.peer_is(3, 3, false, 1) == Lines{"sync 1/3 acks 3 manifest"});
  CHECK(talk.append(2) == Lines{"sync 1/5 acks 3 can-upgrade manifest", "range 0+5"});
}

TEST_CASE("forks: blocks are told to a peer that still has as many of the old fork") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(5, 5);
  talk.say(RangeMessage{false, {0}, {5}});
  to_three_of_fork_one(talk);
  CHECK(talk.carry() == Lines{"drop 3+2", "sync 1/3 acks 0 manifest"});
  CHECK(talk.append(2) == Lines{"sync 1/5 acks 0 manifest", "range 0+5"});
  talk.log.truncate({4}, {2});
  talk.local.head = talk.log.head;
  talk.local.have.clear(BlockRange{{1}, {5}});
  talk.channel.blocks_dropped({{1}, {5}});
  talk.channel.local_changed();
  CHECK(talk.carry() == Lines{"drop 1+4", "sync 2/4 acks 0 manifest"});
  talk.local.have.set(BlockIndex{3});
  talk.channel.blocks_stored({{3}, {4}});
  CHECK(talk.carry() == Lines{"range 3+1"});
}

TEST_CASE("what was not told because the peer had it is told once the peer has dropped it") {
  ChannelTalk talk(10);
  talk.local.have.clear(BlockRange{{0}, {10}});
  talk.open();
  talk.peer_is(10, 10);
  talk.say(RangeMessage{false, {0}, {10}});
  talk.local.have.set(BlockRange{{0}, {10}});
  talk.channel.blocks_stored({{0}, {10}});
  CHECK(talk.carry() == none());
  CHECK(talk.say(RangeMessage{true, {6}, {1}}) == Lines{"range 0+10"});
  CHECK(talk.say(RangeMessage{true, {7}, {1}}) == none());
}

TEST_CASE("a higher fork is asked for once it has blocks, a lower one never") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(3, 0, false, 2);
  CHECK(talk.channel.can_ask_reorg());
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  talk.local.head.fork = {3};
  talk.channel.local_changed();
  CHECK_FALSE(talk.channel.can_ask_reorg());
  CHECK_FALSE(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 18: a core cut to nothing is not followed before it has a block again") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(0, 0, false, 1);
  CHECK_FALSE(talk.channel.can_ask_reorg());
  talk.peer_is(1, 0, false, 1);
  CHECK(talk.channel.can_ask_reorg());
}

TEST_CASE("trap 7: request 0 is handed out and answered like any other") {
  ChannelTalk talk(5);
  talk.open();
  Request check;
  check.proof.upgrade = UpgradeRequest{{}, {5}};
  talk.say(check);
  const auto requests = talk.channel.take_requests(10);
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].id == 0);
  talk.channel.answer(requests[0].ticket, encoded_data(Data{0, {}, *talk.log.answer(check.proof), {}}));
  CHECK(talk.carry() == Lines{"data 0"});
}

TEST_CASE("trap 7: our own check is request 0, and occupies no number") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(5, 5);
  ProofRequest parts;
  parts.upgrade = UpgradeRequest{{}, {5}};
  talk.channel.ask(Purpose::conflict, {}, parts, false, Packing::alone, {});
  CHECK(talk.carry() == Lines{"request 0 @0 upgrade 0+5"});
  talk.say(Data{0, {}, *talk.log.answer(parts), {}});
  const auto data = talk.channel.take_data();
  REQUIRE(data.size() == 1);
  CHECK(data[0].asked.purpose == Purpose::conflict);
  CHECK(talk.ask_block(4) == Lines{"request 1 @0 block 4+0"});
}

TEST_CASE("a tree shown unasked is taken for a proof of two histories; not without end, and nothing else") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(5, 5);
  ProofRequest parts;
  parts.upgrade = UpgradeRequest{{}, {5}};
  const Proof tree = *talk.log.answer(parts);
  talk.say(Data{0, {1}, tree, {}});  // of another fork
  talk.say(Data{9, {}, tree, {}});   // the answer to nothing
  parts.upgrade = UpgradeRequest{{2}, {3}};
  talk.say(Data{0, {}, *talk.log.answer(parts), {}});  // not from the first block on
  CHECK(talk.channel.take_data().empty());
  for (int i = 0; i < 100; ++i) talk.say(Data{0, {}, tree, {}});
  const auto data = talk.channel.take_data();
  CHECK(data.size() == 8);
  CHECK(data.front().asked.purpose == Purpose::conflict);
}

TEST_CASE("what was pushed without being asked for is ignored, and never invited") {
  ChannelTalk talk(0);
  for (const std::string& line : talk.open()) CHECK(line.find("push") == std::string::npos);
  talk.peer_is(5, 0, true);
  talk.say(block_data(0, 0, rule_block(0)));
  talk.say(block_data(12, 0, rule_block(0)));
  CHECK(talk.channel.take_data().empty());
  CHECK_FALSE(talk.ended.has_value());
}

TEST_CASE("trap 8: a peer that sent something invalid is asked nothing more, but still told") {
  ChannelTalk talk(2);
  talk.open();
  talk.peer_is(5, 2, true);
  CHECK(talk.channel.can_ask_upgrade());
  talk.channel.pause();
  CHECK(talk.channel.paused());
  CHECK_FALSE(talk.channel.can_ask_upgrade());
  CHECK(talk.append(1).size() == 2);
  talk.peer_is(5, 3, true);
  talk.channel.resume();
  CHECK(talk.channel.can_ask_upgrade());
}

TEST_CASE("trap 15: what is said together travels in one batch") {
  ChannelTalk talk(5);
  talk.open();
  talk.frames_said = 0;
  CHECK(talk.append(3).size() == 2);
  CHECK(talk.frames_said == 1);
}

TEST_CASE("trap 23: requests for large blocks go in frames of their own") {
  for (const Packing packing : {Packing::alone, Packing::shared}) {
    ChannelTalk talk(0);
    talk.open();
    talk.peer_is(5, 0, true);
    talk.frames_said = 0;
    for (std::uint64_t i = 0; i < 3; ++i) {
      ProofRequest parts;
      parts.block = BlockRequest{{i}, 0};
      talk.channel.ask(Purpose::blocks, {}, parts, false, packing, {});
    }
    CHECK(talk.carry().size() == 3);
    CHECK(talk.frames_said == (packing == Packing::alone ? 3 : 1));
  }
}

TEST_CASE("extensions and messages of a later protocol are passed over") {
  ChannelTalk talk(2);
  talk.open();
  const Buffer payload = rule_block(3);
  CHECK(talk.say(MessageType::extension, Extension{"hello", payload}) == none());
  CHECK(talk.say(MessageType::extension, Extension{"", payload}) == none());
  talk.theirs.send(talk.their_id, 10, payload);
  talk.theirs.send(talk.their_id, 1 << 20, {});
  CHECK(talk.carry() == none());
  CHECK_FALSE(talk.ended.has_value());
}

TEST_CASE("a message that does not decode ends the session") {
  for (std::uint64_t type = 0; type < message_types; ++type) {
    ChannelTalk talk(2);
    talk.open();
    talk.theirs.send(talk.their_id, type, Bytes());
    talk.carry();
    CHECK_MESSAGE(talk.ended == SessionEnd::malformed_message, "type ", type);
  }
}

TEST_CASE("closing gives back what was asked and forgets what was to be answered") {
  ChannelTalk talk(5);
  talk.open();
  talk.peer_is(9, 5, true);
  talk.ask_block(5);
  talk.say(block_request(1, 0));
  const auto requests = talk.channel.take_requests(1);
  talk.channel.close();
  CHECK(talk.channel.take_unanswered().size() == 1);
  CHECK(talk.channel.pending_requests() == 0);
  talk.channel.refuse(requests[0].ticket, NoDataReason::not_available);
  talk.channel.blocks_stored({{0}, {1}});
  talk.channel.blocks_dropped({{0}, {1}});
  talk.channel.local_changed();
  CHECK(talk.carry() == none());
}

TEST_CASE("the oldest thing asked is known") {
  ChannelTalk talk(0);
  talk.open();
  talk.peer_is(5, 0, true);
  CHECK_FALSE(talk.channel.waiting_since().has_value());
  talk.now = Instant{} + std::chrono::seconds(5);
  talk.ask_block(0);
  talk.now = talk.now + std::chrono::seconds(5);
  talk.ask_block(1);
  CHECK(talk.channel.waiting_since() == Instant{} + std::chrono::seconds(5));
}
