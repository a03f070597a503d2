// Keys, hashes and signatures: fixed runs of bytes, each kind a type of its own.
//
// Public values compare, hash and print as hex. Secrets do neither: they are wiped when they die, and
// nothing here prints them.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

template <class Kind, std::size_t N>
struct FixedBytes {
  static constexpr std::size_t size = N;
  std::array<std::byte, N> value{};

  Bytes bytes() const { return value; }
  MutableBytes bytes() { return value; }
  auto operator<=>(const FixedBytes&) const = default;

  // Requires: bytes.size() == N.
  static FixedBytes from(Bytes bytes) {
    FixedBytes out;
    std::copy_n(bytes.begin(), N, out.value.begin());
    return out;
  }
};

using CoreKey = FixedBytes<struct CoreKeyKind, 32>;  // names a core: the hash of its manifest
using DiscoveryKey =
    FixedBytes<struct DiscoveryKeyKind, 32>;             // names it on the wire without giving the key away
using PublicKey = FixedBytes<struct PublicKeyKind, 32>;  // ed25519: of a signer, or a peer's identity
using Signature = FixedBytes<struct SignatureKind, 64>;  // ed25519, detached
using Hash = FixedBytes<struct HashKind, 32>;            // BLAKE2b-256
using WideHash = FixedBytes<struct WideHashKind, 64>;    // BLAKE2b-512; also the handshake hash

// Overwrites memory in a way the compiler may not drop.
void wipe(MutableBytes secret) noexcept;

// A run of secret bytes, wiped on destruction. Moving from it wipes the source.
template <class Kind, std::size_t N>
class Secret {
 public:
  static constexpr std::size_t size = N;
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(other.value_) { wipe(other.value_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      value_ = other.value_;
      wipe(other.value_);
    }
    return *this;
  }
  ~Secret() { wipe(value_); }

  // Requires: bytes.size() == N.
  static Secret from(Bytes bytes) {
    Secret out;
    std::copy_n(bytes.begin(), N, out.value_.begin());
    return out;
  }
  Bytes bytes() const { return value_; }
  MutableBytes bytes() { return value_; }

 private:
  std::array<std::byte, N> value_{};
};

using Seed = Secret<struct SeedKind, 32>;            // what an ed25519 key pair is made from
using SecretKey = Secret<struct SecretKeyKind, 64>;  // ed25519, libsodium's form: seed, then public key
using EncryptionKey = Secret<struct EncryptionKeyKind, 32>;  // opens the blocks of an encrypted core

struct KeyPair {
  PublicKey public_key;
  SecretKey secret_key;
};

std::string to_hex(Bytes bytes);
std::optional<Buffer> from_hex(std::string_view text);  // either case; nothing but hex digits, an even number

template <class Kind, std::size_t N>
std::string to_string(const FixedBytes<Kind, N>& value) {
  return to_hex(value.bytes());
}

// For hash tables of values that are hashes or keys already: their first bytes are as good as any.
struct FixedBytesHash {
  template <class Kind, std::size_t N>
  std::size_t operator()(const FixedBytes<Kind, N>& value) const noexcept {
    std::size_t out;
    std::memcpy(&out, value.value.data(), sizeof out);
    return out;
  }
};

}  // namespace sheaf
