// What the fuzz targets of the secret stream share: raw bytes given in pieces that the input chooses, with
// every promise of the stream checked after each.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "protocol/secret_stream.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf::fuzz {

inline void check(bool holds) {
  if (!holds) std::abort();
}

inline Bytes input_bytes(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

inline KeyPair key_pair_number(std::uint8_t number) {
  Seed seed;
  seed.bytes()[0] = std::byte{number};
  return crypto::key_pair(seed);
}

inline Buffer take_outgoing(SecretStream& stream) {
  Buffer out;
  Bytes runs[4];
  while (const std::size_t count = stream.outgoing(runs)) {
    std::size_t bytes = 0;
    for (const Bytes run : std::span(runs).first(count)) {
      append(out, run);
      bytes += run.size();
    }
    stream.sent(bytes, {});
  }
  return out;
}

inline std::vector<Buffer> drain(SecretStream& stream) {
  std::vector<Buffer> out;
  while (auto message = stream.next_message()) {
    check(!message->plain.empty() && message->slab);
    out.push_back(to_buffer(message->plain));
  }
  return out;
}

// Gives `raw` in pieces of `piece` bytes (0: as large as fits). Gives the messages heard.
inline std::vector<Buffer> feed(SecretStream& stream, Bytes raw, std::size_t piece = 0) {
  std::vector<Buffer> out;
  while (!raw.empty() && stream.wants_bytes()) {
    const MutableBytes room = stream.room();
    check(!room.empty());
    const std::size_t count = std::min({room.size(), raw.size(), piece == 0 ? raw.size() : piece});
    std::copy_n(raw.begin(), count, room.begin());
    stream.received(count, {});
    raw = raw.subspan(count);
    for (Buffer& message : drain(stream)) out.push_back(std::move(message));
    check(stream.open() || stream.finished() || stream.received_memory() <= 1024);
  }
  if (stream.finished()) {
    check(!stream.wants_bytes() && !stream.next_message() && !stream.next_deadline());
  }
  return out;
}

}  // namespace sheaf::fuzz
