// What a stranger may send instead of a session: each case ends with its own reason and delivers nothing.
#include <array>

#include "tests/support/streams.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Buffer frame_of(std::size_t body, std::size_t claimed) {
  Buffer out(3 + body);
  for (std::size_t i = 0; i < 3; ++i) out[i] = static_cast<std::byte>(claimed >> (8 * i));
  return out;
}

// Some sealed frames of an open pair, in order, not yet given to the responder.
std::vector<Buffer> sealed(StreamPair& pair, int count) {
  for (int i = 0; i < count; ++i) pair.initiator->send(filled_with(100 + static_cast<std::size_t>(i)));
  return cut_frames(take_outgoing(*pair.initiator));
}

}  // namespace

TEST_CASE("a handshake frame has one exact size, judged by its prefix alone") {
  for (const std::size_t size : {0, 1, 31, 33, 48, 63, 64, 65, 95, 96, 97, 255, 256, 0xffffff}) {
    CAPTURE(size);
    StreamPair pair;
    feed(*pair.responder, Bytes(frame_of(0, size)));
    CHECK(pair.responder->ended() == SessionEnd::handshake_frame_length);
    CHECK(pair.responder->received_memory() <= 1024);
    CHECK(take_outgoing(*pair.responder).empty());
  }
  for (const std::size_t size : {0, 31, 32, 33, 64, 95, 97, 0xffffff}) {
    CAPTURE(size);
    StreamPair pair;
    take_outgoing(*pair.initiator);
    feed(*pair.initiator, Bytes(frame_of(0, size)));
    CHECK(pair.initiator->ended() == SessionEnd::handshake_frame_length);
    CHECK(take_outgoing(*pair.initiator).empty());
  }
  for (const std::size_t size : {0, 32, 56, 63, 65, 96, 0xffffff}) {
    CAPTURE(size);
    StreamPair pair;
    feed(*pair.responder, take_outgoing(*pair.initiator));
    take_outgoing(*pair.responder);
    feed(*pair.responder, Bytes(frame_of(0, size)));
    CHECK(pair.responder->ended() == SessionEnd::handshake_frame_length);
  }
}

TEST_CASE("two prefix bytes decide nothing") {
  StreamPair pair;
  feed(*pair.responder, Bytes(frame_of(0, 0xffffff)).first(2));
  CHECK_FALSE(pair.responder->finished());
}

TEST_CASE("two initiators or two responders never open a session") {
  StreamPair a, b;
  feed(*a.initiator, take_outgoing(*b.initiator));
  CHECK(a.initiator->ended() == SessionEnd::handshake_frame_length);
  CHECK(take_outgoing(*a.responder).empty());
}

TEST_CASE("a flipped bit in any Noise message ends the session before anything is delivered") {
  int flipped = 0;
  for (const std::size_t bytes : {32, 96, 64}) {
    for (std::size_t bit = 0; bit < bytes * 8; bit += 5) {
      StreamPair pair;
      pair.initiator->send(as_bytes("secret"));
      pair.responder->send(as_bytes("secret"));
      const auto carry = [&](SecretStream& from, SecretStream& to, bool spoil) {
        Buffer raw = take_outgoing(from);
        if (spoil && raw.size() >= 3 + bytes) raw[3 + bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK(feed(to, raw).empty());
      };
      carry(*pair.initiator, *pair.responder, bytes == 32);
      carry(*pair.responder, *pair.initiator, bytes == 96);
      if (!pair.initiator->finished()) carry(*pair.initiator, *pair.responder, bytes == 64);
      const auto& failed = bytes == 96 || !pair.responder->finished() ? pair.initiator : pair.responder;
      CHECK(failed->ended() == SessionEnd::handshake_failed);
      ++flipped;
    }
  }
  MESSAGE(flipped, " flipped bits");
}

TEST_CASE("small-order points end the handshake on either side") {
  for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    StreamPair pair;
    Buffer first = frame_of(0, 32);
    append(first, *from_hex(point));
    feed(*pair.responder, first);
    CHECK(pair.responder->ended() == SessionEnd::handshake_failed);

    StreamPair other;
    feed(*other.responder, take_outgoing(*other.initiator));
    Buffer answer = take_outgoing(*other.responder);
    std::ranges::copy(*from_hex(point), answer.begin() + 3);
    feed(*other.initiator, answer);
    CHECK(other.initiator->ended() == SessionEnd::handshake_failed);
  }
}

TEST_CASE("a replayed first flight fails at its last message") {
  StreamPair recorded;
  recorded.initiator->send(as_bytes("once"));
  const Buffer first = take_outgoing(*recorded.initiator);
  feed(*recorded.responder, first);
  feed(*recorded.initiator, take_outgoing(*recorded.responder));
  const Buffer rest = take_outgoing(*recorded.initiator);
  CHECK(feed(*recorded.responder, rest).size() == 1);

  Limits limits;
  SlabPool pool(limits);
  const auto random = seeded_random(99);
  SecretStream::Options options;
  options.role = Role::responder;
  options.static_key = key_pair_number(2);
  SecretStream again(limits, pool, *random, std::move(options), Instant{});
  feed(again, first);
  CHECK(feed(again, rest).empty());
  CHECK(again.ended() == SessionEnd::handshake_failed);
}

TEST_CASE("our own key at the other end is a connection to ourselves, on either side") {
  Limits limits;
  SlabPool pool(limits);
  const auto random = seeded_random(1);
  SecretStream::Options a, b;
  a.static_key = b.static_key = key_pair_number(1);
  b.role = Role::responder;
  SecretStream initiator(limits, pool, *random, std::move(a), Instant{});
  SecretStream responder(limits, pool, *random, std::move(b), Instant{});
  const Buffer first = take_outgoing(initiator);
  feed(responder, first);
  const Buffer answer = take_outgoing(responder);
  feed(initiator, answer);
  CHECK(initiator.ended() == SessionEnd::self_connection);
  CHECK(take_outgoing(initiator).empty());

  NoiseHandshake::Options careless;  // goes on with message 3 although the key is its own
  careless.static_key = key_pair_number(1);
  NoiseHandshake handshake(std::move(careless), *random);
  SecretStream::Options c;
  c.role = Role::responder;
  c.static_key = key_pair_number(1);
  SecretStream mirror(limits, pool, *random, std::move(c), Instant{});
  const auto framed = [](Bytes body) {
    Buffer frame = frame_of(0, body.size());
    append(frame, body);
    return frame;
  };
  feed(mirror, framed(*handshake.write()));
  REQUIRE(handshake.read(Bytes(take_outgoing(mirror)).subspan(3)).has_value());
  feed(mirror, framed(*handshake.write()));
  CHECK(mirror.ended() == SessionEnd::self_connection);
  CHECK(take_outgoing(mirror).empty());
}

TEST_CASE("an initiator refuses another key than the expected one and does not give its own away") {
  for (const NoisePattern pattern : {NoisePattern::xx, NoisePattern::ik, NoisePattern::xk}) {
    Limits limits;
    SlabPool pool(limits);
    const auto random = seeded_random(1);
    SecretStream::Options a, b;
    a.static_key = key_pair_number(1);
    a.expected_remote = key_pair_number(3).public_key;
    b.static_key = key_pair_number(2);
    b.role = Role::responder;
    a.pattern = b.pattern = pattern;
    SecretStream initiator(limits, pool, *random, std::move(a), Instant{});
    SecretStream responder(limits, pool, *random, std::move(b), Instant{});
    feed(responder, take_outgoing(initiator));
    feed(initiator, take_outgoing(responder));
    if (pattern == NoisePattern::xx) {
      CHECK(initiator.ended() == SessionEnd::refused_key);
      CHECK(take_outgoing(initiator).empty());
    } else {
      CHECK(responder.ended() == SessionEnd::handshake_failed);
    }
  }
}

TEST_CASE("a responder asks whom it lets in before it sends its header") {
  Limits limits;
  SlabPool pool(limits);
  const auto random = seeded_random(1);
  SecretStream::Options a, b;
  a.static_key = key_pair_number(1);
  b.static_key = key_pair_number(2);
  b.role = Role::responder;
  int asked = 0;
  b.admits = [&](const PublicKey& key) { return ++asked, key != key_pair_number(1).public_key; };
  SecretStream initiator(limits, pool, *random, std::move(a), Instant{});
  SecretStream responder(limits, pool, *random, std::move(b), Instant{});
  feed(responder, take_outgoing(initiator));
  CHECK(asked == 0);
  feed(initiator, take_outgoing(responder));
  feed(responder, take_outgoing(initiator));
  CHECK(asked == 1);
  CHECK(responder.ended() == SessionEnd::refused_key);
  CHECK(take_outgoing(responder).empty());
}

TEST_CASE("a stream header has its size and the sender's id") {
  const auto opening = [](auto spoil) {
    auto pair = std::make_unique<StreamPair>();
    pair->initiator->send(as_bytes("after the header"));
    feed(*pair->responder, take_outgoing(*pair->initiator));
    feed(*pair->initiator, take_outgoing(*pair->responder));
    auto frames = cut_frames(take_outgoing(*pair->initiator));
    REQUIRE(frames.size() == 3);
    feed(*pair->responder, frames[0]);
    spoil(*pair, frames[1]);
    for (std::size_t i = 1; i < frames.size(); ++i) CHECK(feed(*pair->responder, frames[i]).empty());
    return pair->responder->ended();
  };
  for (std::size_t bit = 0; bit < 256; ++bit)
    CHECK(opening([&](StreamPair&, Buffer& header) {
            header[3 + bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
          }) == SessionEnd::invalid_stream_header);
  CHECK(opening([](StreamPair& pair, Buffer& header) {  // our own header, reflected
          std::ranges::copy(stream_id(pair.responder->handshake_hash(), Role::responder).value,
                            header.begin() + 3);
        }) == SessionEnd::invalid_stream_header);
  for (const std::size_t size : {0, 17, 55, 57, 0xffffff})
    CHECK(opening([&](StreamPair&, Buffer& header) {
            header = frame_of(std::min<std::size_t>(size, 100), size);
          }) == SessionEnd::invalid_stream_header);
  CHECK(opening([](StreamPair&, Buffer& header) { header[3 + 40] ^= std::byte{1}; }) ==
        SessionEnd::decrypt_failed);  // another nonce is noticed at the first message
}

TEST_CASE("a second header is no message") {
  StreamPair pair;
  feed(*pair.responder, take_outgoing(*pair.initiator));
  feed(*pair.initiator, take_outgoing(*pair.responder));
  const auto frames = cut_frames(take_outgoing(*pair.initiator));
  for (const Buffer& frame : frames) feed(*pair.responder, frame);
  CHECK_FALSE(pair.responder->finished());
  CHECK(feed(*pair.responder, frames.back()).empty());
  CHECK(pair.responder->ended() == SessionEnd::invalid_stream_header);
}

TEST_CASE("frames that are empty or too short for their tag and MAC end the session at once") {
  for (std::size_t size = 0; size < 17; ++size) {
    auto pair = StreamPair::opened();
    CHECK(feed(*pair->responder, Bytes(frame_of(0, size))).empty());
    CHECK(pair->responder->ended() == SessionEnd::invalid_frame);
  }
}

TEST_CASE("a spoiled frame ends the session, and neither it nor what follows is delivered") {
  for (std::size_t bit = 0; bit < (100 + 17) * 8; bit += 3) {
    auto pair = StreamPair::opened();
    auto frames = sealed(*pair, 3);
    frames[0][3 + bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    for (const Buffer& frame : frames) CHECK(feed(*pair->responder, frame).empty());
    CHECK(pair->responder->ended() == SessionEnd::decrypt_failed);
  }
}

TEST_CASE("swapped, dropped and repeated frames end the session, as do frames of another one") {
  const auto after = [](auto change) {
    auto pair = StreamPair::opened();
    auto frames = sealed(*pair, 4);
    change(*pair, frames);
    std::size_t heard = 0;
    for (const Buffer& frame : frames) heard += feed(*pair->responder, frame).size();
    CHECK(pair->responder->ended() == SessionEnd::decrypt_failed);
    return heard;
  };
  CHECK(after([](StreamPair&, auto& frames) { std::swap(frames[1], frames[2]); }) == 1);
  CHECK(after([](StreamPair&, auto& frames) { frames.erase(frames.begin() + 1); }) == 1);
  CHECK(after([](StreamPair&, auto& frames) { frames.insert(frames.begin() + 1, frames[0]); }) == 1);
  CHECK(after([](StreamPair& pair, auto& frames) {  // our own direction, reflected
          pair.responder->send(filled_with(100));
          frames[2] = take_outgoing(*pair.responder);
        }) == 2);
  CHECK(after([](StreamPair&, auto& frames) {
          frames[3] = sealed(*StreamPair::opened({}, true, 77), 4)[3];
        }) == 3);
}

TEST_CASE("empty messages are dropped without a word, as many as there are") {
  auto pair = StreamPair::opened();
  for (int i = 0; i < 5000; ++i) pair->initiator->send(Bytes());
  pair->initiator->send(as_bytes("x"));
  pair->settle();
  CHECK(pair->told.size() == 1);
  CHECK_FALSE(pair->responder->finished());
}

TEST_CASE("a stream that breaks inside its opening is truncated") {
  for (std::size_t bytes = 0; bytes < 35 + 67 + 59; ++bytes) {
    StreamPair pair;
    Buffer raw = take_outgoing(*pair.initiator);
    feed(*pair.responder, Bytes(raw).first(std::min(bytes, raw.size())));
    if (bytes >= raw.size()) {
      feed(*pair.initiator, take_outgoing(*pair.responder));
      const Buffer rest = take_outgoing(*pair.initiator);
      feed(*pair.responder, Bytes(rest).first(bytes - raw.size()));
    }
    pair.responder->stream_ended({});
    CHECK(pair.responder->ended() == SessionEnd::truncated);
  }
}
