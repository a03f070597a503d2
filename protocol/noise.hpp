// The Noise handshake of the secret stream: whole messages in and out, then a pair of keys.
//
// Noise_{XX,IK,XK}_Ed25519_ChaChaPoly_BLAKE2b as noise-handshake 4.2 with noise-curve-ed 2.1 speaks it: DH on
// edwards25519, 64-byte hash, the empty prologue mixed in as well. Messages alternate, the initiator begins.
// The first failure is for good (handshake_failed); a failed or finished handshake takes no more calls but
// the accessors.
#pragma once

#include <optional>
#include <utility>

#include "protocol/crypto.hpp"
#include "protocol/signables.hpp"
#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

enum class NoisePattern : std::uint8_t {
  xx,  // both static keys travel encrypted
  ik,  // the initiator knows the responder's key and sends its own at once
  xk,  // the initiator knows the responder's key and sends its own last
};

// What a finished handshake leaves behind.
struct HandshakeKeys {
  crypto::CipherKey tx;
  crypto::CipherKey rx;
  WideHash hash;         // the same on both sides, of this connection only
  PublicKey remote_key;  // the other side's static key
};

class NoiseHandshake {
 public:
  struct Options {
    NoisePattern pattern = NoisePattern::xx;
    Role role = Role::initiator;
    KeyPair static_key;
    std::optional<PublicKey> remote_key;  // Requires: present for an initiator of IK and XK
    Buffer prologue;
  };

  // Draws the ephemeral key's seed of 32 bytes from `random`.
  NoiseHandshake(Options options, RandomSource& random);

  bool finished() const { return state_ == State::finished; }
  bool failed() const { return state_ == State::failed; }
  bool writes() const { return state_ == State::writing; }
  // What the next message weighs, either way, without payload; 0 when there is none.
  std::size_t message_bytes() const;

  // Requires: writes(). Fails if the other side's key of an earlier message or option is a bad point.
  Result<Buffer> write(Bytes payload = {});
  // Requires: neither writes() nor finished() nor failed(). Gives the payload.
  Result<Buffer> read(Bytes message);

  // The other side's static key as soon as it is known: for the initiator of XX after it read message 2 and
  // before it writes message 3, so that the owner can refuse it without giving its own key away.
  const std::optional<PublicKey>& remote_key() const { return remote_static_; }

  // Requires: finished(), and only once.
  HandshakeKeys take_keys();

 private:
  enum class State : std::uint8_t { writing, reading, finished, failed };
  enum class Token : std::uint8_t { e, s, ee, es, se, ss };
  struct Pattern;
  using ChainKey = Secret<struct ChainKeyKind, 64>;

  static const Pattern& pattern_of(NoisePattern pattern);
  std::span<const Token> tokens() const;
  void mix_hash(Bytes data);
  void mix_key(const crypto::SharedSecret& shared);
  bool mix_dh(Token token);
  void encrypt_and_hash(Buffer& out, Bytes plain);
  Result<Buffer> decrypt_and_hash(Bytes sealed);
  bool read_tokens(Bytes& rest);
  void advance();
  Error fail();

  const Pattern* pattern_;
  Role role_;
  State state_;
  std::size_t message_ = 0;
  KeyPair static_;
  KeyPair ephemeral_;
  std::optional<PublicKey> remote_static_;
  std::optional<PublicKey> remote_ephemeral_;
  WideHash hash_;
  ChainKey chain_;
  std::optional<crypto::CipherKey> key_;
  std::uint64_t nonce_ = 0;
};

// HKDF over HMAC-BLAKE2b with two outputs of 64 bytes, as Noise defines it.
using HkdfOutput = Secret<struct HkdfOutputKind, 64>;
std::pair<HkdfOutput, HkdfOutput> noise_hkdf(Bytes chain_key, Bytes input);

}  // namespace sheaf
