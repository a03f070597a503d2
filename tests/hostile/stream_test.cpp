// Noise and the secret stream against a peer that breaks them.
#include "tests/hostile/scripted_peer.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Buffer flipped(Buffer bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  return bytes;
}

// Points of small order on edwards25519, and y-coordinates that are no reduced field element.
constexpr std::string_view bad_points[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

}  // namespace

TEST_CASE("noise_wrong_size: a handshake message of another size than its own ends the session") {
  HostileWorld world;
  for (const std::size_t size : {0, 31, 33, 63, 65, 95, 97, 1024, 1025}) {
    ScriptedPeer peer(world);
    peer.write(raw_frame(Buffer(size)));
    CHECK(peer.ended() == SessionEnd::handshake_frame_length);
  }
  for (const std::size_t size : {0, 31, 32, 63, 65, 96, 97}) {
    ScriptedPeer peer(world);
    REQUIRE(peer.write(peer.first_flight()));
    REQUIRE(peer.read_second_flight());
    peer.write(raw_frame(Buffer(size)));
    CHECK(peer.ended() == SessionEnd::handshake_frame_length);
  }
  world.unharmed();
}

TEST_CASE("noise_small_order and noise_noncanonical: a bad point fails the handshake") {
  HostileWorld world;
  for (const std::string_view point : bad_points) {
    ScriptedPeer peer(world);
    peer.write(raw_frame(*from_hex(point)));
    CHECK(peer.ended() == SessionEnd::handshake_failed);
  }
  world.pass(std::chrono::seconds(1));               // no more than 20 connections a second are let in
  for (const std::string_view point : bad_points) {  // as the key that the third message gives
    KeyPair keys = ScriptedPeer::fresh_keys(world);
    keys.public_key = PublicKey::from(*from_hex(point));
    ScriptedPeer peer(world, keys);
    REQUIRE(peer.write(peer.first_flight()));
    REQUIRE(peer.read_second_flight());
    REQUIRE(peer.write(peer.third_flight()));
    CHECK_FALSE(peer.read(1).has_value());
    CHECK(peer.ended() == SessionEnd::handshake_failed);
  }
  world.unharmed();
}

TEST_CASE("noise_replay: a first flight recorded elsewhere fails at the third message") {
  HostileWorld world;
  ScriptedPeer other(world);
  const Buffer recorded = other.first_flight();
  ScriptedPeer peer(world);
  REQUIRE(peer.write(recorded));
  REQUIRE(peer.read_frame().has_value());
  peer.write(raw_frame(Buffer(64, std::byte{5})));
  CHECK(peer.ended() == SessionEnd::handshake_failed);
  other.close();
  CHECK(other.ended() == SessionEnd::truncated);
  world.unharmed();
}

TEST_CASE("noise_flip: an altered third message fails the handshake and nothing was said after it") {
  HostileWorld world;
  for (std::size_t bit = 0; bit < 8 * 64; bit += 37) {
    ScriptedPeer peer(world);
    REQUIRE(peer.write(peer.first_flight()));
    REQUIRE(peer.read_second_flight());
    REQUIRE(peer.write(flipped(peer.third_flight(), 24 + bit)));
    CHECK_FALSE(peer.read(1).has_value());
    CHECK(peer.ended() == SessionEnd::handshake_failed);
  }
  world.unharmed();
}

TEST_CASE("refused_key: a peer that is not on the list hears nothing after its key is known") {
  NodeOptions options;
  options.allow_peers.push_back(key_pair_of(9).public_key);
  HostileWorld world(options);
  ScriptedPeer stranger(world);
  REQUIRE(stranger.write(stranger.first_flight()));
  REQUIRE(stranger.read_second_flight());
  REQUIRE(stranger.write(stranger.third_flight()));
  CHECK_FALSE(stranger.read_header());
  CHECK(stranger.ended() == SessionEnd::refused_key);
  ScriptedPeer expected(world, key_pair_of(9));
  expected.secure();
  expected.end();
  CHECK(expected.ended() == SessionEnd::remote_ended);
  world.unharmed();
}

TEST_CASE("self_connection: a node that dials itself notices") {
  HostileWorld world;
  auto summary = world.run(world.victim().connect(world.address(), Until::ended));
  CHECK_FALSE(summary.has_value());
  CHECK(world.until([&] { return world.sessions_ended(SessionEnd::self_connection) > 0; },
                    std::chrono::seconds(2)));
  world.unharmed();
}

TEST_CASE("stream_header_wrong_id, _short, _twice: a header that is not ours to have ends the session") {
  HostileWorld world;
  for (const int kind : {0, 1, 2}) {
    ScriptedPeer peer(world);
    REQUIRE(peer.write(peer.first_flight()));
    REQUIRE(peer.read_second_flight());
    REQUIRE(peer.write(peer.third_flight()));
    const Buffer header = peer.header();
    switch (kind) {
      case 0: peer.write(flipped(header, 24)); break;
      case 1: peer.write(raw_frame(Bytes(header).subspan(3, 55))); break;
      case 2:
        peer.write(header);
        peer.write(header);
        break;
    }
    CHECK(peer.ended() == SessionEnd::invalid_stream_header);
  }
  world.unharmed();
}

TEST_CASE("stream_bad_mac, _swap_two, _drop_one, _repeat_one: nothing of an altered stream is delivered") {
  HostileWorld world;
  for (const int kind : {0, 1, 2, 3}) {
    ScriptedPeer peer(world);
    peer.secure();
    // Each frame would end the session in a way of its own if it were delivered.
    const Buffer bad = mux_frame(control_channel, type_number(ControlType::reject), numbers({99}));
    const Buffer first = peer.sealed(bad);
    const Buffer second = peer.sealed(bad);
    switch (kind) {
      case 0: peer.write(flipped(first, 8 * first.size() - 1)); break;
      case 1: peer.write(second); break;
      case 2: {
        const Buffer empty = peer.sealed({});
        peer.write(empty);
        break;
      }
      case 3: {
        ScriptedPeer honest(world);
        honest.secure();
        const Buffer frame = honest.sealed({});
        honest.write(frame);
        honest.write(frame);
        CHECK(honest.ended() == SessionEnd::decrypt_failed);
        peer.write(second);
        break;
      }
    }
    CHECK(peer.ended() == SessionEnd::decrypt_failed);
  }
  world.unharmed();
}

TEST_CASE("invalid_frame: a frame too short to be sealed ends the session") {
  HostileWorld world;
  for (const std::size_t size : {0, 1, 16}) {
    ScriptedPeer peer(world);
    peer.secure();
    peer.write(raw_frame(Buffer(size)));
    CHECK(peer.ended() == SessionEnd::invalid_frame);
  }
  world.unharmed();
}

TEST_CASE(
    "truncate_without_fin: an end inside a frame or a handshake is truncated, between frames the peer's "
    "choice") {
  HostileWorld world;
  {
    ScriptedPeer peer(world);
    peer.secure();
    const Buffer frame = peer.sealed(Buffer(100));
    REQUIRE(peer.write(Bytes(frame).first(50)));
    peer.end();
    CHECK(peer.ended() == SessionEnd::truncated);
    CHECK_FALSE(world.ended(peer.name())->complete);
  }
  {
    ScriptedPeer peer(world);
    REQUIRE(peer.write(Bytes(peer.first_flight()).first(7)));
    peer.end();
    CHECK(peer.ended() == SessionEnd::truncated);
  }
  {
    ScriptedPeer peer(world);
    peer.secure();
    peer.end();
    CHECK(peer.ended() == SessionEnd::remote_ended);
    CHECK_FALSE(world.ended(peer.name())->complete);
  }
  world.unharmed();
}

TEST_CASE("a connection that is reset ends as an error of the stream, not as the peer's choice") {
  HostileWorld world;
  ScriptedPeer peer(world);
  peer.secure();
  peer.reset();
  CHECK(peer.ended() == SessionEnd::stream_error);
  CHECK_FALSE(world.ended(peer.name())->complete);
  world.unharmed();
}

TEST_CASE(
    "a peer that says nothing more is given up after the idle time, and one that trickles a frame sooner") {
  HostileWorld world;
  ScriptedPeer silent(world);
  silent.secure();
  ScriptedPeer slow(world);
  slow.secure();
  const Buffer frame = slow.sealed(Buffer(100'000));
  for (std::size_t i = 0; i < 40 && !world.ended(slow.name()); ++i) {
    slow.write(Bytes(frame).subspan(100 * i, 100));
    world.pass(std::chrono::seconds(1));
  }
  CHECK(slow.ended() == SessionEnd::slow_frame);
  CHECK(silent.ended() == SessionEnd::timeout);
  world.unharmed();
}

TEST_CASE("a second session of the honest peer is ended by its own choice once it is complete") {
  HostileWorld world;
  const auto summary = world.run(world.honest().connect(world.address(), Until::complete));
  REQUIRE(summary.has_value());
  CHECK(summary->reason == SessionEnd::local_ended);
  CHECK(summary->complete);
  CHECK(world.until([&] { return world.sessions_ended(SessionEnd::remote_ended) == 1; },
                    std::chrono::seconds(2)));
  world.unharmed();
}
