#include "protocol/secret_stream.hpp"

#include <array>
#include <map>

#include "protocol/limits.hpp"
#include "tests/support/scripted_random.hpp"
#include "tests/support/streams.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

// One side of a recorded connection, started with the recorded seeds and header.
struct RecordedSide {
  RecordedSide(Role role, const json& static_seed, const json& ephemeral_seed, const json& header)
      : random([&] {
          Buffer script = unhex(ephemeral_seed);
          append(script, unhex(header));
          return script;
        }()),
        pool(limits),
        stream(limits, pool, random, options(role, static_seed), Instant{}) {}

  static SecretStream::Options options(Role role, const json& static_seed) {
    SecretStream::Options out;
    out.role = role;
    out.static_key = crypto::key_pair(unhex_as<Seed>(static_seed));
    return out;
  }

  Limits limits;
  ScriptedRandom random;
  SlabPool pool;
  SecretStream stream;
};

RecordedSide download_side(const json& session, Role role) {
  const json& raw = session["rawTcp"];
  const std::string side = role == Role::initiator ? "initiator" : "responder";
  return RecordedSide(role, raw[side + "StaticSeed"], raw[side + "EphemeralSeed"], raw[side + "Header"]);
}

Buffer joined(const json& chunks, const std::string& from) {
  Buffer out;
  for (const json& chunk : chunks)
    if (chunk["from"] == from) append(out, unhex(chunk["hex"]));
  return out;
}

std::vector<std::string> as_hex(const std::vector<Buffer>& messages) {
  std::vector<std::string> out;
  for (const Buffer& message : messages) out.push_back(to_hex(message));
  return out;
}

}  // namespace

TEST_CASE("stream ids of a recorded handshake") {
  const json v = vectors("wire/secret-stream.json")["streamIds"];
  const auto hash = unhex_as<WideHash>(v["handshakeHash"]);
  CHECK(to_string(stream_id(hash, Role::initiator)) == v["initiator"]);
  CHECK(to_string(stream_id(hash, Role::responder)) == v["responder"]);
}

TEST_CASE("recorded frames are sealed byte by byte and opened again") {
  const json v = vectors("wire/secret-stream.json")["secretstream"];
  // The frames need one key only, so a stream that starts behind its handshake serves for both directions.
  HandshakeKeys keys;
  keys.tx = keys.rx = unhex_as<crypto::CipherKey>(v["key"]);
  Limits limits;
  SlabPool pool(limits);
  ScriptedRandom random(unhex(v["header"]));
  SecretStream sender(limits, pool, random, Role::initiator, keys, true, Instant{});
  CHECK(random.used_up());
  const Buffer opening = take_outgoing(sender);
  CHECK(to_hex(opening).substr(0, 6) == "380000");
  CHECK(to_hex(opening).substr(2 * (3 + 32)) == v["header"]);

  const auto drawn = seeded_random(5);
  SecretStream receiver(limits, pool, *drawn, Role::responder, keys, true, Instant{});
  CHECK(feed(receiver, opening).empty());
  int count = 0;
  for (const json& frame : v["frames"]) {
    const Buffer plain = unhex(frame["plaintext"]);
    sender.send(plain);
    CHECK(to_hex(take_outgoing(sender)) == frame["frame"]);
    const auto messages = feed(receiver, unhex(frame["frame"]));
    CHECK(messages == (plain.empty() ? std::vector<Buffer>{} : std::vector<Buffer>{plain}));
    ++count;
  }
  CHECK(count == 5);
  MESSAGE(count, " frames");
}

TEST_CASE("a frame is the same whether it is built in place or copied, packed or alone") {
  HandshakeKeys keys;
  Limits limits;
  SlabPool pool(limits);
  const auto ra = seeded_random(5), rb = seeded_random(5);
  SecretStream in_place(limits, pool, *ra, Role::initiator, keys, true, Instant{});
  SecretStream copied(limits, pool, *rb, Role::initiator, keys, true, Instant{});
  for (const std::size_t size : {0, 1, 100, 4075, 4076, 4077, 5000, 65536, 300'000}) {
    const Buffer plain = filled_with(size);
    OutgoingFrame frame(size);
    append(frame.tail(), Bytes(plain).subspan(size / 2));
    if (size <= 100) {  // the first half as a layer's header in front
      frame.prepend(Bytes(plain).first(std::min(size / 2, frame.room_in_front() - 4)));
    } else {
      OutgoingFrame whole;  // nothing reserved: it grows
      append(whole.tail(), plain);
      frame = std::move(whole);
    }
    in_place.send(std::move(frame));
    copied.send(plain);
    CHECK(in_place.queued_bytes() == copied.queued_bytes());
  }
  CHECK(take_outgoing(in_place) == take_outgoing(copied));
}

TEST_CASE("a recorded connection is spoken byte by byte in both roles") {
  const json v = vectors("wire/secret-stream.json")["fullSession"];
  int count = 0;
  for (const Role role : {Role::initiator, Role::responder}) {
    const std::string mine = role == Role::initiator ? "initiator" : "responder";
    RecordedSide side(role, v[mine]["staticSeed"], v[mine]["ephemeralSeed"], v[mine]["secretstreamHeader"]);
    const std::string said = "from " + mine;
    side.stream.send(as_bytes(said));  // waits for the handshake
    Buffer sent;
    std::vector<Buffer> heard;
    for (const json& part : v["wire"]) {
      if (part["from"] == mine) {
        append(sent, take_outgoing(side.stream));
      } else {
        for (Buffer& message : feed(side.stream, unhex(part["hex"]))) heard.push_back(std::move(message));
      }
      ++count;
    }
    append(sent, take_outgoing(side.stream));
    if (role == Role::initiator) {  // the recorded keep-alive
      side.stream.on_time(Instant{std::chrono::seconds(5)});
      append(sent, take_outgoing(side.stream));
    }
    CHECK(to_hex(sent) == to_hex(joined(v["wire"], mine)));
    REQUIRE(heard.size() == 1);
    CHECK(as_text(heard[0]) == (role == Role::initiator ? "from responder" : "from initiator"));
    CHECK(to_string(side.stream.handshake_hash()) == v["handshakeHash"]);
    CHECK(side.random.used_up());
    CHECK_FALSE(side.stream.finished());
  }
  CHECK(count == 16);
  MESSAGE(count, " recorded writes");
}

TEST_CASE("a recorded replication is heard message by message, however its bytes are split") {
  const json session = vectors("wire/session-download.json");
  const json& chunks = session["rawTcp"]["chunks"];
  const auto random = seeded_random(9);
  int replays = 0;
  for (const Role role : {Role::initiator, Role::responder}) {
    const std::string mine = role == Role::initiator ? "reader" : "writer";
    const std::string theirs = role == Role::initiator ? "writer" : "reader";
    std::vector<std::string> expected;
    for (const json& frame : session["frames"])
      if (frame.contains("from") && frame["from"] == theirs) expected.push_back(frame["hex"]);
    const Buffer raw = joined(chunks, theirs);
    const std::string ours = to_hex(joined(chunks, mine));

    const auto replay = [&](auto next_size) {
      RecordedSide side = download_side(session, role);
      std::vector<std::string> heard;
      for (Bytes left = raw; !left.empty();) {
        const Bytes part = left.first(std::min<std::size_t>(next_size(left.size()), left.size()));
        left = left.subspan(part.size());
        for (std::string& message : as_hex(feed(side.stream, part))) heard.push_back(std::move(message));
      }
      CHECK(heard == expected);
      CHECK(to_string(side.stream.handshake_hash()) == session["handshakeHash"]);
      // What we said meanwhile are our Noise messages and our header, as recorded.
      const Buffer sent = take_outgoing(side.stream);
      CHECK(sent.size() == (role == Role::initiator ? 35 + 67 + 59 : 99 + 59));
      CHECK(to_hex(sent) == ours.substr(0, 2 * sent.size()));
      side.stream.stream_ended({});
      CHECK(side.stream.ended() == SessionEnd::remote_ended);
      ++replays;
    };
    replay([](std::size_t all) { return all; });
    replay([](std::size_t) { return std::size_t{1}; });
    for (std::size_t cut = 1; cut < raw.size(); ++cut)  // every split in two
      replay([&, first = true](std::size_t all) mutable { return std::exchange(first, false) ? cut : all; });
    for (int i = 0; i < 50; ++i)
      replay([&](std::size_t) { return static_cast<std::size_t>(random->below(90) + 1); });
  }
  MESSAGE(replays, " replays");
}

TEST_CASE("our side of the recorded replication is sealed byte by byte") {
  const json session = vectors("wire/session-download.json");
  for (const Role role : {Role::initiator, Role::responder}) {
    RecordedSide side = download_side(session, role);
    const std::string mine = role == Role::initiator ? "reader" : "writer";
    for (const json& frame : session["frames"])
      if (frame.contains("from") && frame["from"] == mine) side.stream.send(unhex(frame["hex"]));
    feed(side.stream, joined(session["rawTcp"]["chunks"], role == Role::initiator ? "writer" : "reader"));
    CHECK(to_hex(take_outgoing(side.stream)) == to_hex(joined(session["rawTcp"]["chunks"], mine)));
  }
}

TEST_CASE("all three patterns open, and both sides know each other") {
  for (const NoisePattern pattern : {NoisePattern::xx, NoisePattern::ik, NoisePattern::xk}) {
    StreamPair pair({}, pattern);
    pair.initiator->send(as_bytes("hello"));
    pair.responder->send(as_bytes("good day"));
    CHECK(pair.initiator->queued_bytes() > 0);
    pair.settle();
    REQUIRE(pair.initiator->open());
    REQUIRE(pair.responder->open());
    CHECK(pair.initiator->handshake_hash() == pair.responder->handshake_hash());
    CHECK(pair.initiator->remote_key() == key_pair_number(2).public_key);
    CHECK(pair.responder->remote_key() == key_pair_number(1).public_key);
    REQUIRE(pair.told.size() == 1);
    REQUIRE(pair.heard.size() == 1);
    CHECK(as_text(pair.told[0]) == "hello");
    CHECK(as_text(pair.heard[0]) == "good day");
    CHECK(pair.initiator->queued_bytes() == 0);
  }
}

TEST_CASE("messages of all sizes arrive in order, in any order of small and large") {
  auto pair = StreamPair::opened();
  std::vector<Buffer> sent;
  for (const std::size_t size : {1, 17, 4076, 4077, 70'000, 2, 262'144, 262'145, 3, 1'500'000, 4, 65'536})
    sent.push_back(filled_with(size, static_cast<std::uint8_t>(size)));
  for (const Buffer& message : sent) pair->initiator->send(message);
  pair->settle();
  CHECK(pair->told == sent);
  CHECK_FALSE(pair->responder->finished());
}

TEST_CASE("a hundred thousand messages pass both ways, whatever their sizes and pauses") {
  auto pair = StreamPair::opened();
  const auto random = seeded_random(6);
  std::vector<Buffer> said, answered;
  std::size_t count = 0;
  while (count < 100'000) {
    for (std::uint64_t i = random->below(200); i-- > 0; ++count) {
      const bool large = random->below(500) == 0;
      Buffer message = filled_with(1 + random->below(large ? 60'000 : 100), static_cast<std::uint8_t>(count));
      const bool there = random->below(2) == 0;
      (there ? pair->initiator : pair->responder)->send(message);
      (there ? said : answered).push_back(std::move(message));
    }
    pair->settle();
    REQUIRE(pair->told == said);
    REQUIRE(pair->heard == answered);
    for (auto* list : {&said, &answered, &pair->told, &pair->heard}) list->clear();
  }
  MESSAGE(count, " messages");
}

TEST_CASE("the largest frame the wire can say passes, and its memory goes back") {
  auto pair = StreamPair::opened();
  const Buffer largest = filled_with(limits::message_bytes);
  pair->initiator->send(largest);
  const Buffer raw = take_outgoing(*pair->initiator);
  CHECK(raw.size() == 3 + 0xffffff);
  std::size_t most = 0, held_before = 0;
  std::size_t given = 0;
  std::optional<StreamMessage> message;
  while (given < raw.size()) {
    const MutableBytes room = pair->responder->room();
    REQUIRE_FALSE(room.empty());
    CHECK(room.size() <= SlabPool::slab_bytes);
    const std::size_t held = pair->responder->received_memory();
    CHECK(held <= std::max(SlabPool::slab_bytes, given + pair->limits.frame_growth_bytes + 4096));
    const std::size_t count = std::min(room.size(), raw.size() - given);
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(given), count, room.begin());
    pair->responder->received(count, {});
    given += count;
    message = pair->responder->next_message();
    held_before = held;
    most = std::max(most, held);
  }
  REQUIRE(message.has_value());
  CHECK(equal(message->plain, largest));
  CHECK(held_before <= pair->limits.receive_bytes_session);
  message.reset();
  CHECK(feed(*pair->responder, {}).empty());
  pair->initiator->send(as_bytes("x"));
  pair->settle();
  pair->initiator->send(as_bytes("x"));
  pair->settle();
  CHECK(pair->responder->received_memory() <= 64 * 1024);
  MESSAGE(most, " bytes at most for a frame of ", raw.size());
}

TEST_CASE("a message lives as long as its slab is held, whatever the stream does") {
  auto pair = StreamPair::opened();
  const auto random = seeded_random(4);
  std::vector<std::pair<StreamMessage, Buffer>> held;
  for (int round = 0; round < 60; ++round) {
    std::vector<Buffer> sent;
    for (std::uint64_t i = random->below(6); i-- > 0;)
      sent.push_back(filled_with(1 + random->below(90'000), static_cast<std::uint8_t>(round + i)));
    for (const Buffer& message : sent) pair->initiator->send(message);
    Buffer raw = take_outgoing(*pair->initiator);
    std::size_t next = 0;
    for (Bytes left = raw; !left.empty();) {
      const MutableBytes room = pair->responder->room();
      const std::size_t count = std::min<std::size_t>({room.size(), left.size(), 1 + random->below(100'000)});
      std::copy_n(left.begin(), count, room.begin());
      pair->responder->received(count, {});
      left = left.subspan(count);
      while (auto message = pair->responder->next_message()) {
        REQUIRE(next < sent.size());
        if (random->below(2) == 0)
          held.emplace_back(std::move(*message), sent[next]);
        else
          CHECK(equal(message->plain, sent[next]));
        ++next;
      }
    }
    CHECK(next == sent.size());
    for (const auto& [message, plain] : held) REQUIRE(equal(message.plain, plain));
    if (round % 4 == 3) held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(held.size() / 2));
  }
  // Even after the stream is gone.
  pair->responder.reset();
  for (const auto& [message, plain] : held) CHECK(equal(message.plain, plain));
  CHECK(pair->pool.bytes() > 0);
  held.clear();
  pair->initiator.reset();
  CHECK(pair->pool.bytes() == 0);
}

TEST_CASE("before authentication and when quiet a session holds little, when busy it reads in large pieces") {
  StreamPair pair;
  CHECK(pair.initiator->room().size() <= 1024);
  CHECK(pair.initiator->received_memory() <= 1024);
  pair.settle();
  pair.responder->send(as_bytes("quiet"));
  pair.settle();
  CHECK(pair.initiator->room().size() <= ReceiveBuffer::quiet_bytes);
  CHECK(pair.initiator->received_memory() <= ReceiveBuffer::quiet_bytes);

  pair.responder->send(filled_with(1'000'000));
  pair.responder->send(filled_with(1'000'000));
  const Buffer raw = take_outgoing(*pair.responder);
  std::size_t given = 0;
  int small_rooms = 0;
  while (given < raw.size()) {
    const MutableBytes room = pair.initiator->room();
    small_rooms += room.size() < 64 * 1024 && raw.size() - given > room.size();
    const std::size_t count = std::min(room.size(), raw.size() - given);
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(given), count, room.begin());
    pair.initiator->received(count, {});
    given += count;
    drain(*pair.initiator);
  }
  CHECK(small_rooms <= 2);                        // the first read, and at most one at a frame's end
  CHECK(pair.initiator->received_memory() == 0);  // all was heard and let go

  pair.responder->send(as_bytes("quiet again"));
  pair.settle();
  pair.initiator->room();
  CHECK(pair.initiator->received_memory() <= ReceiveBuffer::quiet_bytes);
}

TEST_CASE("bytes shown to be sent stay where they are until they are taken") {
  auto pair = StreamPair::opened();
  pair->initiator->send(as_bytes("first"));
  std::array<Bytes, 8> before;
  const std::size_t count = pair->initiator->outgoing(before);
  REQUIRE(count == 1);
  const Buffer copy = to_buffer(before[0]);
  for (int i = 0; i < 1000; ++i) pair->initiator->send(filled_with(i % 300 + 1));
  pair->initiator->send(filled_with(100'000));
  CHECK(equal(before[0], copy));
  std::array<Bytes, 8> after;
  REQUIRE(pair->initiator->outgoing(after) > 0);
  CHECK(after[0].data() == before[0].data());
  pair->initiator->sent(3, {});
  REQUIRE(pair->initiator->outgoing(after) > 0);
  CHECK(after[0].data() == before[0].data() + 3);
}

TEST_CASE("small frames share runs, and queued bytes are counted exactly") {
  auto pair = StreamPair::opened();
  std::size_t expected = 0;
  for (int i = 0; i < 1000; ++i) {
    pair->initiator->send(filled_with(100));
    expected += 120;
    REQUIRE(pair->initiator->queued_bytes() == expected);
  }
  std::array<Bytes, 64> runs;
  CHECK(pair->initiator->outgoing(runs) <= 1 + expected / (SendQueue::pack_bytes - 120));
  while (pair->initiator->queued_bytes() > 0) {
    const std::size_t part = std::min<std::size_t>(777, pair->initiator->queued_bytes());
    pair->initiator->sent(part, {});
    expected -= part;
    CHECK(pair->initiator->queued_bytes() == expected);
  }
  CHECK(pair->initiator->outgoing(runs) == 0);
}

TEST_CASE("a clean end delivers what has come, then says so") {
  auto pair = StreamPair::opened();
  pair->initiator->send(as_bytes("last words"));
  const Buffer raw = take_outgoing(*pair->initiator);
  const MutableBytes room = pair->responder->room();
  std::ranges::copy(raw, room.begin());
  pair->responder->received(raw.size(), {});
  pair->responder->send(as_bytes("an answer on its way"));
  pair->responder->stream_ended({});
  CHECK_FALSE(pair->responder->finished());
  CHECK_FALSE(pair->responder->wants_bytes());
  CHECK(drain(*pair->responder).size() == 1);
  CHECK(pair->responder->ended() == SessionEnd::remote_ended);
  CHECK(take_outgoing(*pair->responder).size() > 0);  // flushed before the socket closes

  auto broken = StreamPair::opened();
  broken->initiator->send(as_bytes("half of this"));
  Buffer half = take_outgoing(*broken->initiator);
  half.pop_back();
  CHECK(feed(*broken->responder, half).empty());
  broken->responder->stream_ended({});
  CHECK(broken->responder->ended() == SessionEnd::truncated);
}

TEST_CASE("the first ending stands and nothing follows it") {
  auto pair = StreamPair::opened();
  pair->initiator->send(as_bytes("one"));
  pair->initiator->send(as_bytes("two"));
  const Buffer raw = take_outgoing(*pair->initiator);
  const MutableBytes room = pair->responder->room();
  std::ranges::copy(raw, room.begin());
  pair->responder->received(raw.size(), {});
  REQUIRE(pair->responder->next_message().has_value());
  pair->responder->end(SessionEnd::malformed_message);
  pair->responder->end(SessionEnd::local_ended);
  pair->responder->stream_ended({});
  CHECK(pair->responder->ended() == SessionEnd::malformed_message);
  CHECK_FALSE(pair->responder->next_message().has_value());
  CHECK_FALSE(pair->responder->wants_bytes());
  CHECK_FALSE(pair->responder->next_deadline().has_value());
  pair->responder->send(as_bytes("unheard"));
  CHECK(take_outgoing(*pair->responder).empty());
}

TEST_CASE("every ending has its own name") {
  std::map<std::string_view, int> names;
  for (std::size_t i = 0; i < session_end_count; ++i) ++names[to_string(static_cast<SessionEnd>(i))];
  CHECK(names.size() == session_end_count);
  CHECK(names.count("unknown") == 0);
}
