// Connections that never become sessions: silence, slowness, floods, and a process without descriptors.
#include <ctime>
#include <sys/resource.h>

#include "tests/hostile/scripted_peer.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

// So many may come and wait at once.
NodeOptions crowded(std::size_t connections) {
  NodeOptions out;
  out.limits.connections = out.limits.connections_per_address = connections;
  out.limits.half_open_sessions = out.limits.half_open_per_address = connections;
  out.limits.connections_per_second = 100'000;
  return out;
}

// What a thousand connections at once may cost, the test's own ends of them included.
constexpr std::size_t crowd_growth = 16 * 1024 * 1024;

class OpenFiles {
 public:
  OpenFiles() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~OpenFiles() { allow(before_.rlim_cur); }
  void allow(rlim_t count) {
    rlimit limit = before_;
    limit.rlim_cur = count;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  void allow_most() { allow(before_.rlim_max); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE(
    "connect_and_silence: 1,000 connections that say nothing end at 10 s, hold little, and hold up nobody") {
  constexpr std::size_t count = 1'000;
  OpenFiles files;
  files.allow_most();
  HostileWorld world(crowded(2 * count));
  std::list<ScriptedPeer> peers;
  for (std::size_t i = 0; i < count; ++i) peers.emplace_back(world);
  world.pass(9s);
  CHECK(world.sessions_ended() == 0);
  const auto meanwhile = world.run(world.honest().connect(world.address(), Until::complete));
  REQUIRE(meanwhile.has_value());
  CHECK(meanwhile->complete);
  world.until([&] { return world.sessions_ended() > count; }, 3s);
  CHECK(world.sessions_ended(SessionEnd::handshake_timeout) == count);
  peers.clear();
  world.unharmed(crowd_growth);
}

TEST_CASE(
    "connect_and_silence: by default one address has 8 half-open sessions, and the oldest makes place") {
  HostileWorld world;
  std::list<ScriptedPeer> peers;
  for (std::size_t i = 0; i < 12; ++i) peers.emplace_back(world);
  CHECK(world.until([&] { return world.sessions_ended(SessionEnd::refused_by_limit) == 4; }, 2s));
  CHECK(peers.front().ended() == SessionEnd::refused_by_limit);
  CHECK(peers.back().ended() == SessionEnd::handshake_timeout);
  peers.clear();
  world.unharmed();
}

TEST_CASE("one_byte_per_second: a handshake that trickles in ends at 10 s") {
  HostileWorld world;
  ScriptedPeer peer(world);
  const Buffer flight = peer.first_flight();
  for (std::size_t i = 0; i < flight.size() && !world.ended(peer.name()); ++i) {
    peer.write(Bytes(flight).subspan(i, 1));
    world.pass(1s);
  }
  CHECK(peer.ended() == SessionEnd::handshake_timeout);
  world.unharmed();
}

TEST_CASE("prefix_ffffff: a frame of 16 MiB before the handshake is refused by its prefix, 1,000 times") {
  HostileWorld world(crowded(2'000));
  for (int i = 0; i < 1'000; ++i) {
    ScriptedPeer peer(world);
    peer.write(Buffer(3, std::byte{0xff}));
    CHECK(peer.ended() == SessionEnd::handshake_frame_length);
  }
  world.unharmed();
}

TEST_CASE("zero_length_frames: before the handshake and after it they end the session") {
  HostileWorld world;
  ScriptedPeer before(world);
  before.write(Buffer(3));
  CHECK(before.ended() == SessionEnd::handshake_frame_length);
  ScriptedPeer after(world);
  after.secure();
  after.write(Buffer(3));
  CHECK(after.ended() == SessionEnd::invalid_frame);
  world.unharmed();
}

TEST_CASE("connection_churn: of 20,000 connections in ten seconds no more than 20 a second are let in") {
  HostileWorld world;
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 2'000; ++i) {
      ScriptedPeer peer(world);
      world.turn(false);
      if (i % 4 != 0) peer.reset();  // leaves no port behind that waits
    }
    world.pass(1s);
  }
  CHECK(world.sessions_ended() <= 20 * 11);
  CHECK(world.sessions_ended() >= 20 * 8);
  world.unharmed();
}

TEST_CASE("fd_exhaustion: without a descriptor left accepting pauses, does not spin, and recovers") {
  HostileWorld world(crowded(100));
  {
    OpenFiles files;
    std::list<ScriptedPeer> peers;
    world.turn(true);
    for (int i = 0; i < 20; ++i)
      peers.emplace_back(world);          // in the system's queue: the world has not turned
    files.allow(open_descriptors() - 1);  // the count's own is gone again
    const std::clock_t began = std::clock();
    world.pass(5s);
    CHECK(std::clock() - began < CLOCKS_PER_SEC / 4);  // 5 % of five seconds
    CHECK(world.sessions_ended() == 0);
  }
  world.pass(2s);
  ScriptedPeer late(world);
  late.secure();
  late.end();
  CHECK(late.ended() == SessionEnd::remote_ended);
  world.unharmed();
}
