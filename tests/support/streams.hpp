// Two secret streams and the road between them, for tests: bytes go where a test sends them, time stands
// still unless it says so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "protocol/secret_stream.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf::test {

// Pulls every message that is ready.
inline std::vector<Buffer> drain(SecretStream& stream) {
  std::vector<Buffer> out;
  while (auto message = stream.next_message()) out.push_back(to_buffer(message->plain));
  return out;
}

// Gives raw bytes to a stream as its room allows, pulling messages in between. Gives the messages; stops when
// the stream has ended or wants nothing more.
inline std::vector<Buffer> feed(SecretStream& stream, Bytes raw, Instant now = {},
                                std::size_t at_once = ~std::size_t{0}) {
  std::vector<Buffer> out;
  while (!raw.empty() && stream.wants_bytes()) {
    const MutableBytes room = stream.room();
    REQUIRE_FALSE(room.empty());
    const std::size_t count = std::min({room.size(), raw.size(), at_once});
    std::copy_n(raw.begin(), count, room.begin());
    stream.received(count, now);
    raw = raw.subspan(count);
    for (Buffer& message : drain(stream)) out.push_back(std::move(message));
  }
  return out;
}

// Everything a stream has to send, taken from it.
inline Buffer take_outgoing(SecretStream& stream, Instant now = {}) {
  Buffer out;
  Bytes runs[4];
  while (const std::size_t count = stream.outgoing(runs)) {
    std::size_t bytes = 0;
    for (const Bytes run : std::span(runs).first(count)) {
      append(out, run);
      bytes += run.size();
    }
    stream.sent(bytes, now);
  }
  return out;
}

inline KeyPair key_pair_number(std::uint8_t number) {
  Seed seed;
  seed.bytes()[0] = std::byte{number};
  return crypto::key_pair(seed);
}

struct StreamPair {
  explicit StreamPair(const Limits& l = {}, NoisePattern pattern = NoisePattern::xx, bool keep_alive = true,
                      std::uint64_t seed = 1)
      : limits(l), pool(limits), random(seeded_random(seed)) {
    SecretStream::Options i, r;
    i.static_key = key_pair_number(1);
    r.static_key = key_pair_number(2);
    r.role = Role::responder;
    i.pattern = r.pattern = pattern;
    i.keep_alive = r.keep_alive = keep_alive;
    if (pattern != NoisePattern::xx) i.expected_remote = r.static_key.public_key;
    initiator = std::make_unique<SecretStream>(limits, pool, *random, std::move(i), Instant{});
    responder = std::make_unique<SecretStream>(limits, pool, *random, std::move(r), Instant{});
  }

  // Carries bytes both ways until neither side says more.
  void settle(Instant now = {}) {
    for (bool said = true; said;) {
      said = false;
      for (auto [from, to] :
           {std::pair{initiator.get(), responder.get()}, {responder.get(), initiator.get()}}) {
        const Buffer raw = take_outgoing(*from, now);
        said |= !raw.empty();
        for (Buffer& message : feed(*to, raw, now))
          (to == initiator.get() ? heard : told).push_back(std::move(message));
      }
    }
  }

  // Both open, nothing under way.
  static std::unique_ptr<StreamPair> opened(const Limits& limits = {}, bool keep_alive = true,
                                            std::uint64_t seed = 1) {
    auto pair = std::make_unique<StreamPair>(limits, NoisePattern::xx, keep_alive, seed);
    pair->settle();
    REQUIRE(pair->initiator->open());
    REQUIRE(pair->responder->open());
    return pair;
  }

  Limits limits;
  SlabPool pool;
  std::unique_ptr<RandomSource> random;
  std::unique_ptr<SecretStream> initiator, responder;
  std::vector<Buffer> heard, told;  // by the initiator, by the responder
};

inline Buffer filled_with(std::size_t size, std::uint8_t first = 0) {
  Buffer out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(first + i * 7 + (i >> 8));
  return out;
}

// Cuts raw bytes into frames, prefix included.
inline std::vector<Buffer> cut_frames(Bytes raw) {
  std::vector<Buffer> out;
  while (!raw.empty()) {
    const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(raw[i]); };
    const std::size_t size = 3 + (byte(0) | byte(1) << 8 | byte(2) << 16);
    REQUIRE(raw.size() >= size);
    out.push_back(to_buffer(raw.first(size)));
    raw = raw.subspan(size);
  }
  return out;
}

}  // namespace sheaf::test
