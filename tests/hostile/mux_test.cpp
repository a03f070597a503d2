// The mux against a peer that opens, batches and closes what it should not.
#include "tests/hostile/scripted_peer.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t batch = type_number(ControlType::batch);
constexpr std::uint64_t open_type = type_number(ControlType::open);
constexpr std::uint64_t reject = type_number(ControlType::reject);
constexpr std::uint64_t close_type = type_number(ControlType::close);

// Entries of one channel in one batch.
class BatchFrame {
 public:
  explicit BatchFrame(std::uint64_t channel) { Writer(bytes_).uint(channel); }
  void add(std::uint64_t type, Bytes body) {
    Buffer entry;
    Writer(entry).uint(type);
    append(entry, body);
    Writer(bytes_).buffer(entry);
  }
  const Buffer& bytes() const { return bytes_; }

 private:
  Buffer bytes_;
};

}  // namespace

TEST_CASE("open_flood: of a million opens of unknown protocols 200,000 are rejected, then the session ends") {
  for (const bool fresh_numbers : {true, false}) {
    HostileWorld world;
    ScriptedPeer peer(world);
    peer.secure();
    bool taken = true;
    std::uint64_t number = 0;
    for (int frame = 0; frame < 250 && taken; ++frame) {
      BatchFrame opens(control_channel);
      for (int i = 0; i < 4'000; ++i) opens.add(open_type, open_body(fresh_numbers ? ++number : 1, "x", {}));
      taken = peer.say(control_channel, batch, opens.bytes());
      if (!fresh_numbers && frame == 0) CHECK(peer.hear_control(ControlType::reject).has_value());
      if (frame < 49) CHECK(taken);  // 200,000 are no more than patience allows
    }
    CHECK(peer.ended() == SessionEnd::channel_flood);
    world.unharmed();
  }
}

TEST_CASE(
    "open_id_gap, open_id_zero, open_twice: a number that is not the next or free one ends the session") {
  HostileWorld world;
  for (const std::uint64_t number : {5, 0}) {
    ScriptedPeer peer(world);
    peer.secure();
    peer.say(control_channel, open_type, open_body(number, "x", {}));
    CHECK(peer.ended() == SessionEnd::malformed_open);
  }
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  peer.say(control_channel, open_type, open_body(channel, "x", {}));
  CHECK(peer.ended() == SessionEnd::malformed_open);
  world.unharmed();
}

TEST_CASE("an open that is cut short ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.say(control_channel, open_type, numbers({1, 200}));
  CHECK(peer.ended() == SessionEnd::malformed_open);
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "open_no_pair_then_64MiB: what is said on a rejected channel is dropped, and the session goes on", World,
    HostileWorld, ThreadedWorld) {
  World world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.say(control_channel, open_type, open_body(1, "unknown", {}));
  for (int i = 0; i < 128; ++i) CHECK(peer.say(1, 3, Buffer(512 * 1024)));
  CHECK(peer.hear_control(ControlType::reject).has_value());
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE(
    "long_protocol_name: one of 15 MiB ends the session, one of 200 bytes or no UTF-8 is an unknown "
    "protocol") {
  HostileWorld world;
  {
    ScriptedPeer peer(world);
    peer.secure();
    peer.say(control_channel, open_type, open_body(1, std::string(15 * 1024 * 1024, 'x'), {}));
    CHECK(peer.ended() == SessionEnd::malformed_open);
  }
  ScriptedPeer peer(world);
  peer.secure();
  peer.say(control_channel, open_type, open_body(1, std::string(200, 'x'), {}));
  CHECK(peer.hear_control(ControlType::reject).has_value());
  peer.say(control_channel, open_type, open_body(1, "\xff\xfe\x80", Buffer(32)));
  CHECK(peer.hear_control(ControlType::reject).has_value());
  CHECK(peer.alive());
  peer.close();
  // Ours are the copies that the message is made of; the victim's are its receive budget.
  world.unharmed(5 * 16 * 1024 * 1024 + Limits{}.receive_bytes_session);
}

TEST_CASE("batch_in_batch and a batch cut inside a number end the session") {
  HostileWorld world;
  for (const int kind : {0, 1, 2}) {
    ScriptedPeer peer(world);
    peer.secure();
    switch (kind) {
      case 0: {
        BatchFrame inner(1);
        inner.add(0, {});
        BatchFrame outer(control_channel);
        outer.add(batch, inner.bytes());
        peer.say(control_channel, batch, outer.bytes());
        break;
      }
      case 1: peer.say(control_channel, batch, text("\xfd\x01")); break;
      case 2: peer.say(control_channel, batch, text(std::string_view("\x01\x05\xff\x01", 4))); break;
    }
    CHECK(peer.ended() == SessionEnd::malformed_batch);
  }
  world.unharmed();
}

TEST_CASE("batch_zero_entries: a million of them pass in linear time while others are served") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  CHECK(peer.say(control_channel, batch, Buffer(2'000'001)));
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE("a frame without a whole channel number ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.send(text("\xfe\x01"));
  CHECK(peer.ended() == SessionEnd::malformed_message);
  world.unharmed();
}

TEST_CASE("close_unknown and message_after_close are ignored, reject_unknown ends the session") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  peer.say(control_channel, close_type, numbers({77}));
  peer.say(99, 3, text("nobody's"));
  peer.say(control_channel, close_type, numbers({channel}));
  peer.say(channel, MessageType::cancel, Cancel{5});
  CHECK(peer.alive());
  peer.say(control_channel, reject, numbers({77}));
  CHECK(peer.ended() == SessionEnd::malformed_reject);
  world.unharmed();
}
