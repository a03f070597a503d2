// BLAKE2b-256 of many messages side by side: one message in each lane of the processor's vectors.
//
// Leaves of a tree do not depend on each other, and a vector of eight words hashes eight of them in the time
// of one. Where the processor has neither AVX-512 nor AVX2, which is found out at run time, and for a single
// message, libsodium does it. BLAKE2b: RFC 7693.
#pragma once

#include <array>
#include <span>

#include "protocol/crypto.hpp"

namespace sheaf::crypto {

// What is hashed is the head, then the body: what a format puts in front of bytes that lie elsewhere.
struct HeadedMessage {
  static constexpr std::size_t head_most = 32;
  std::array<std::byte, head_most> head{};
  std::size_t head_bytes = 0;
  Bytes body;

  std::size_t size() const { return head_bytes + body.size(); }
};

// out[i] is the hash of messages[i]. Requires: as many of one as of the other.
void blake2b_many(std::span<const HeadedMessage> messages, std::span<Hash> out);

enum class Lanes { one, four, eight };

// The widest that this processor has.
Lanes widest_lanes();

// The same with lanes of the caller's choosing, for tests and measurements. Requires: no wider than the
// widest.
void blake2b_many(std::span<const HeadedMessage> messages, std::span<Hash> out, Lanes lanes);

}  // namespace sheaf::crypto
