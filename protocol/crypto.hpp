// The one door to libsodium: every primitive the wire uses, under the name the field gives it.
//
// Only crypto.cpp includes libsodium. Nothing here allocates by an announced size. Safe to call from any
// thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf::crypto {

// BLAKE2b over the parts, one after another.
Hash blake2b(std::initializer_list<Bytes> parts);
WideHash blake2b_512(std::initializer_list<Bytes> parts);
// Keyed BLAKE2b-256; the key has 16 to 64 bytes.
Hash blake2b_keyed(Bytes key, std::initializer_list<Bytes> parts);
// HMAC (RFC 2104) over BLAKE2b-512 with a 128-byte block; not keyed BLAKE2b.
WideHash hmac_blake2b(Bytes key, std::initializer_list<Bytes> parts);

// Ed25519.
KeyPair key_pair(const Seed& seed);
Signature sign(Bytes message, const SecretKey& key);
bool verify(const Signature& signature, Bytes message, const PublicKey& key);

// Diffie-Hellman on edwards25519 as Noise's "Ed25519": the remote key stays an Edwards point. Fails with
// handshake_failed for small-order, non-canonical and off-subgroup points.
using SharedSecret = Secret<struct SharedSecretKind, 32>;
Result<SharedSecret> diffie_hellman(const SecretKey& mine, const PublicKey& theirs);

// ChaCha20-Poly1305 (IETF): the nonce is 4 zero bytes, then `counter` little endian.
using CipherKey = Secret<struct CipherKeyKind, 32>;
void seal(Buffer& out, const CipherKey& key, std::uint64_t counter, Bytes associated, Bytes plain);
Result<Buffer> open(const CipherKey& key, std::uint64_t counter, Bytes associated, Bytes sealed);

// XSalsa20 over `data` in place, nonce of 24 bytes.
void stream_xor(MutableBytes data, Bytes nonce, Bytes key);

bool equal_in_constant_time(Bytes a, Bytes b);

// One direction of libsodium's crypto_secretstream_xchacha20poly1305.
inline constexpr std::size_t secretstream_header_bytes = 24;
inline constexpr std::size_t secretstream_overhead = 17;  // encrypted tag in front, MAC behind

class Push {
 public:
  // The header has to reach the other side before the first message. `header_random` are its 24 bytes.
  Push(const CipherKey& key, Bytes header_random);
  ~Push();
  Push(Push&&) noexcept = default;
  Push& operator=(Push&&) noexcept = default;
  // Encrypts in place: `frame` is 1 byte of room, the plaintext, 16 bytes of room.
  void seal(MutableBytes frame);

 private:
  struct State;
  struct Wipe {
    void operator()(State*) const noexcept;
  };
  std::unique_ptr<State, Wipe> state_;
};

class Pull {
 public:
  Pull(const CipherKey& key, Bytes header);
  ~Pull();
  Pull(Pull&&) noexcept = default;
  Pull& operator=(Pull&&) noexcept = default;
  // Decrypts in place; the view is the plaintext inside `frame`. decrypt_failed for anything altered.
  Result<MutableBytes> open(MutableBytes frame);

 private:
  struct State;
  struct Wipe {
    void operator()(State*) const noexcept;
  };
  std::unique_ptr<State, Wipe> state_;
};

}  // namespace sheaf::crypto
