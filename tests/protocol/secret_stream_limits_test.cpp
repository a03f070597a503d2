// Time and memory: what a silent, slow or greedy other side costs, and when it ends.
#include <array>

#include "tests/support/streams.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr Instant at(Duration time) { return {time}; }

// A frame's prefix and the first `bytes` of its body.
Buffer begun_frame(std::size_t claimed, std::size_t bytes) {
  Buffer out(3 + bytes);
  for (std::size_t i = 0; i < 3; ++i) out[i] = static_cast<std::byte>(claimed >> (8 * i));
  return out;
}

}  // namespace

TEST_CASE("a handshake that does not get through in time ends") {
  StreamPair pair;
  CHECK(pair.responder->next_deadline() == at(10s));
  feed(*pair.responder, take_outgoing(*pair.initiator), at(9s));
  pair.responder->on_time(at(9'999ms));
  CHECK_FALSE(pair.responder->finished());
  pair.responder->on_time(at(10s));
  CHECK(pair.responder->ended() == SessionEnd::handshake_timeout);
  CHECK_FALSE(pair.responder->next_deadline().has_value());
}

TEST_CASE("one byte a second during the handshake does not prolong it") {
  StreamPair pair;
  const Buffer raw = take_outgoing(*pair.initiator);
  Duration time{};
  for (const std::byte byte : raw) {
    feed(*pair.responder, Bytes(&byte, 1), at(time += 1s));
    pair.responder->on_time(at(time));
    if (pair.responder->finished()) break;
  }
  CHECK(time == 10s);
  CHECK(pair.responder->ended() == SessionEnd::handshake_timeout);
}

TEST_CASE("the other side's missing header is a missing handshake too") {
  StreamPair pair;
  feed(*pair.responder, take_outgoing(*pair.initiator));
  feed(*pair.initiator, take_outgoing(*pair.responder));
  CHECK(pair.initiator->secured());
  CHECK_FALSE(pair.initiator->open());
  take_outgoing(*pair.initiator);
  pair.initiator->on_time(at(10s));
  CHECK(pair.initiator->ended() == SessionEnd::handshake_timeout);
}

TEST_CASE("who has nothing to say sends an empty message every five seconds") {
  auto pair = StreamPair::opened();
  CHECK(pair->initiator->next_deadline() == at(5s));
  pair->initiator->on_time(at(4'999ms));
  CHECK(pair->initiator->queued_bytes() == 0);
  pair->initiator->on_time(at(5s));
  CHECK(pair->initiator->queued_bytes() == 20);
  pair->initiator->on_time(at(6s));
  CHECK(pair->initiator->queued_bytes() == 20);  // one is enough
  CHECK(feed(*pair->responder, take_outgoing(*pair->initiator, at(6s)), at(6s)).empty());
  CHECK(pair->initiator->next_deadline() == at(11s));
  pair->initiator->send(as_bytes("x"));
  take_outgoing(*pair->initiator, at(8s));
  CHECK(pair->initiator->next_deadline() == at(13s));  // a write starts the count again
}

TEST_CASE("two idle sides keep each other for hours") {
  auto pair = StreamPair::opened();
  for (Duration time{}; time < 3h;) {
    time = std::min(*pair->initiator->next_deadline(), *pair->responder->next_deadline()).since_origin;
    pair->initiator->on_time(at(time));
    pair->responder->on_time(at(time));
    pair->settle(at(time));
  }
  CHECK_FALSE(pair->initiator->finished());
  CHECK_FALSE(pair->responder->finished());
}

TEST_CASE("sixty seconds of silence end the session, unless we were not listening") {
  auto pair = StreamPair::opened();
  const auto wait = [&](Duration time) {
    pair->responder->on_time(at(time));
    take_outgoing(*pair->responder, at(time));
  };
  wait(59'999ms);
  CHECK_FALSE(pair->responder->finished());
  pair->responder->reading(false, at(59'999ms));
  CHECK_FALSE(pair->responder->wants_bytes());
  wait(500s);
  CHECK_FALSE(pair->responder->finished());
  pair->responder->reading(true, at(500s));
  wait(559s);
  CHECK_FALSE(pair->responder->finished());
  wait(560s);
  CHECK(pair->responder->ended() == SessionEnd::timeout);
}

TEST_CASE("without keep-alive neither empty messages nor silence mean anything") {
  auto pair = StreamPair::opened({}, false);
  CHECK_FALSE(pair->responder->next_deadline().has_value());
  pair->responder->on_time(at(1000h));
  CHECK_FALSE(pair->responder->finished());
  CHECK(pair->responder->queued_bytes() == 0);
}

TEST_CASE("a partial frame must bring 30 KiB in 30 seconds") {
  SUBCASE("one byte a second is too slow") {
    auto pair = StreamPair::opened();
    feed(*pair->responder, begun_frame(1'000'000, 0));
    Duration time{};
    const std::byte byte{};
    while (!pair->responder->finished() && time < 1h) {
      feed(*pair->responder, Bytes(&byte, 1), at(time += 1s));
      pair->responder->on_time(at(time));
      take_outgoing(*pair->responder, at(time));
    }
    CHECK(time == 30s);
    CHECK(pair->responder->ended() == SessionEnd::slow_frame);
  }
  SUBCASE("2 KiB a second is enough, at any length") {
    auto pair = StreamPair::opened();
    feed(*pair->responder, begun_frame(1'000'000, 0));
    const Buffer two_kib(2048);
    for (Duration time{1s}; time < 480s; time += 1s) {
      feed(*pair->responder, two_kib, at(time));
      pair->responder->on_time(at(time));
      take_outgoing(*pair->responder, at(time));
    }
    CHECK_FALSE(pair->responder->finished());
  }
  SUBCASE("slow frames that come whole are not partial") {
    auto pair = StreamPair::opened();
    for (Duration time{1s}; time < 200s; time += 1s) {
      pair->initiator->send(as_bytes("x"));
      CHECK(feed(*pair->responder, take_outgoing(*pair->initiator, at(time)), at(time)).size() == 1);
      pair->responder->on_time(at(time));
      take_outgoing(*pair->responder, at(time));
    }
    CHECK_FALSE(pair->responder->finished());
  }
  SUBCASE("a whole frame that its owner leaves lying is not slow") {
    auto pair = StreamPair::opened();
    pair->initiator->send(as_bytes("x"));
    const Buffer raw = take_outgoing(*pair->initiator);
    feed(*pair->responder, Bytes(raw).first(5));
    const MutableBytes room = pair->responder->room();
    std::ranges::copy(Bytes(raw).subspan(5), room.begin());
    pair->responder->received(raw.size() - 5, at(1s));
    pair->responder->on_time(at(40s));
    CHECK_FALSE(pair->responder->finished());
    CHECK(drain(*pair->responder).size() == 1);
  }
  SUBCASE("time in which we did not read does not count") {
    auto pair = StreamPair::opened();
    feed(*pair->responder, begun_frame(1'000'000, 10), at(1s));
    pair->responder->reading(false, at(2s));
    pair->responder->on_time(at(40s));
    take_outgoing(*pair->responder, at(40s));
    pair->responder->reading(true, at(41s));
    pair->responder->on_time(at(70s));
    CHECK_FALSE(pair->responder->finished());
    take_outgoing(*pair->responder, at(70s));
    pair->responder->on_time(at(71s));
    CHECK(pair->responder->ended() == SessionEnd::slow_frame);
  }
}

TEST_CASE("who reads nothing for a minute is a slow reader") {
  auto pair = StreamPair::opened();
  pair->initiator->send(filled_with(100'000));
  Duration time{};
  const auto next = [&] {
    feed(
        *pair->initiator,
        [&] {
          pair->responder->send(as_bytes("alive"));
          return take_outgoing(*pair->responder, at(time));
        }(),
        at(time));
    pair->initiator->on_time(at(time));
  };
  for (; time < 50s; time += 1s) next();
  pair->initiator->sent(1, at(time));  // a byte is progress
  for (; time < 109s; time += 1s) next();
  CHECK_FALSE(pair->initiator->finished());
  for (; time < 111s; time += 1s) next();
  CHECK(pair->initiator->ended() == SessionEnd::slow_reader);
}

TEST_CASE("a queue beyond its bound ends the session") {
  Limits limits;
  limits.send_most_bytes = 1'000'000;
  auto pair = StreamPair::opened(limits);
  for (int i = 0; i < 9; ++i) pair->initiator->send(filled_with(100'000));
  CHECK_FALSE(pair->initiator->finished());
  pair->initiator->send(filled_with(100'000));
  CHECK(pair->initiator->ended() == SessionEnd::slow_reader);
}

TEST_CASE("frames before the handshake count as queued and are bounded like all") {
  Limits limits;
  limits.send_most_bytes = 10'000;
  StreamPair pair(limits);
  take_outgoing(*pair.initiator);
  pair.initiator->send(filled_with(1000));
  CHECK(pair.initiator->queued_bytes() == 1020);
  pair.initiator->send(filled_with(10'000));
  CHECK(pair.initiator->ended() == SessionEnd::slow_reader);
}

TEST_CASE("an announced length alone allocates nothing") {
  auto pair = StreamPair::opened();
  feed(*pair->responder, begun_frame(0xffffff, 0));
  feed(*pair->responder, Buffer(10));
  CHECK(pair->responder->received_memory() <= SlabPool::slab_bytes);
}

TEST_CASE("a spent session budget stops the reading until a message is let go") {
  Limits limits;
  limits.receive_bytes_session = 1024 * 1024;
  auto pair = StreamPair::opened(limits);
  std::vector<StreamMessage> held;
  std::size_t sent = 0;
  while (pair->responder->wants_bytes() && sent < 100) {
    pair->initiator->send(filled_with(60'000));
    ++sent;
    const Buffer raw = take_outgoing(*pair->initiator);
    for (Bytes left = raw; !left.empty() && pair->responder->wants_bytes();) {
      const MutableBytes room = pair->responder->room();
      REQUIRE_FALSE(room.empty());
      const std::size_t count = std::min(room.size(), left.size());
      std::copy_n(left.begin(), count, room.begin());
      pair->responder->received(count, {});
      left = left.subspan(count);
      while (auto message = pair->responder->next_message()) held.push_back(std::move(*message));
    }
    CHECK(pair->responder->received_memory() <= limits.receive_bytes_session);
  }
  CHECK(held.size() >= 8);
  CHECK(sent < 20);
  CHECK(pair->responder->room().empty());
  pair->responder->on_time(at(61s));  // and we are not angry at the other side's silence meanwhile
  CHECK_FALSE(pair->responder->finished());
  held.clear();
  CHECK(pair->responder->wants_bytes());
  CHECK_FALSE(pair->responder->room().empty());
}

TEST_CASE("a spent process budget leaves each session its reserve, and names the slowest large frame") {
  Limits limits;
  limits.receive_bytes_process = 4 * 1024 * 1024;
  SlabPool pool(limits);
  int calls = 0;
  pool.on_room([&] { ++calls; });
  const auto random = seeded_random(1);
  struct Session {
    std::unique_ptr<SecretStream> client, server;
  };
  Limits wide;
  SlabPool elsewhere(wide);
  std::vector<Session> sessions(5);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    SecretStream::Options c, s;
    c.static_key = key_pair_number(static_cast<std::uint8_t>(10 + i));
    s.static_key = key_pair_number(1);
    s.role = Role::responder;
    Session& session = sessions[i];
    session.client = std::make_unique<SecretStream>(wide, elsewhere, *random, std::move(c), Instant{});
    session.server = std::make_unique<SecretStream>(limits, pool, *random, std::move(s), Instant{});
    feed(*session.server, take_outgoing(*session.client));
    feed(*session.client, take_outgoing(*session.server));
    feed(*session.server, take_outgoing(*session.client));
    REQUIRE(session.server->open());
  }
  // Four send halves of large frames, at different speeds, until the budget is spent.
  for (std::size_t i = 0; i < 4; ++i) feed(*sessions[i].server, begun_frame(8'000'000, 0), at(1s));
  std::size_t refused = 0;
  for (int second = 2; second < 100 && refused == 0; ++second)
    for (std::size_t i = 0; i < 4; ++i) {
      SecretStream& server = *sessions[i].server;
      const Buffer part(i == 2 ? 30'000 : 60'000);  // the third is the slowest
      feed(server, part, at(std::chrono::seconds(second)));
      if (!server.wants_bytes()) ++refused;
    }
  CHECK(refused > 0);
  CHECK(pool.starved());
  CHECK(pool.shared_bytes() <= limits.receive_bytes_process);
  const auto slowest = pool.slowest(at(100s));
  CHECK_FALSE(slowest == sessions[2].server->account_id());  // still under 1 MiB

  // The fifth goes on within its reserve.
  sessions[4].client->send(as_bytes("small"));
  CHECK(feed(*sessions[4].server, take_outgoing(*sessions[4].client)).size() == 1);
  sessions[4].client->send(filled_with(40'000));
  CHECK(feed(*sessions[4].server, take_outgoing(*sessions[4].client)).size() == 1);

  // Closing the slowest gives the others room, and tells so.
  REQUIRE(slowest.has_value());
  CHECK(calls == 0);
  for (Session& session : sessions)
    if (session.server->account_id() == *slowest) {
      session.server->end(SessionEnd::slow_frame);
      session.server.reset();
      break;
    }
  CHECK(calls == 1);
  for (Session& session : sessions)
    if (session.server) CHECK(session.server->wants_bytes());
}
