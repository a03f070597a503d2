#include "protocol/noise.hpp"

#include <array>
#include <span>
#include <string_view>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

constexpr std::size_t tag_bytes = 16;

// A hash that is a secret, moved to where it is wiped.
HkdfOutput take_secret(WideHash&& hash) {
  HkdfOutput out = HkdfOutput::from(hash.bytes());
  wipe(hash.bytes());
  return out;
}

crypto::CipherKey cipher_key(const HkdfOutput& output) {
  return crypto::CipherKey::from(output.bytes().first(crypto::CipherKey::size));
}

}  // namespace

std::pair<HkdfOutput, HkdfOutput> noise_hkdf(Bytes chain_key, Bytes input) {
  constexpr std::byte one{1}, two{2};
  const HkdfOutput inner = take_secret(crypto::hmac_blake2b(chain_key, {input}));
  HkdfOutput first = take_secret(crypto::hmac_blake2b(inner.bytes(), {Bytes(&one, 1)}));
  HkdfOutput second = take_secret(crypto::hmac_blake2b(inner.bytes(), {first.bytes(), Bytes(&two, 1)}));
  return {std::move(first), std::move(second)};
}

struct NoiseHandshake::Pattern {
  std::string_view name;
  bool responder_known;  // its static key is mixed in before the first message
  std::size_t messages;
  std::array<std::array<Token, 4>, 3> tokens;
  std::array<std::size_t, 3> token_count;
};

const NoiseHandshake::Pattern& NoiseHandshake::pattern_of(NoisePattern pattern) {
  using enum Token;
  static constexpr Pattern xx{
      "Noise_XX_Ed25519_ChaChaPoly_BLAKE2b", false, 3, {{{e}, {e, ee, s, es}, {s, se}}}, {1, 4, 2}};
  static constexpr Pattern ik{
      "Noise_IK_Ed25519_ChaChaPoly_BLAKE2b", true, 2, {{{e, es, s, ss}, {e, ee, se}, {}}}, {4, 3, 0}};
  static constexpr Pattern xk{
      "Noise_XK_Ed25519_ChaChaPoly_BLAKE2b", true, 3, {{{e, es}, {e, ee}, {s, se}}}, {2, 2, 2}};
  switch (pattern) {
    case NoisePattern::xx: return xx;
    case NoisePattern::ik: return ik;
    case NoisePattern::xk: return xk;
  }
  broken_invariant("a Noise pattern is XX, IK or XK", __FILE__, __LINE__);
}

NoiseHandshake::NoiseHandshake(Options options, RandomSource& random)
    : pattern_(&pattern_of(options.pattern)),
      role_(options.role),
      state_(options.role == Role::initiator ? State::writing : State::reading),
      static_(std::move(options.static_key)) {
  Seed seed;
  random.fill(seed.bytes());
  ephemeral_ = crypto::key_pair(seed);

  const Bytes name = as_bytes(pattern_->name);  // at most 64 bytes: padded, not hashed
  std::copy(name.begin(), name.end(), hash_.value.begin());
  chain_ = ChainKey::from(hash_.bytes());
  mix_hash(options.prologue);
  if (!pattern_->responder_known) return;
  if (role_ == Role::initiator) {
    invariant(options.remote_key.has_value(), "an initiator of IK and XK knows the responder's key");
    remote_static_ = options.remote_key;
    mix_hash(remote_static_->bytes());
  } else {
    mix_hash(static_.public_key.bytes());
  }
}

std::span<const NoiseHandshake::Token> NoiseHandshake::tokens() const {
  return std::span(pattern_->tokens[message_]).first(pattern_->token_count[message_]);
}

std::size_t NoiseHandshake::message_bytes() const {
  if (finished() || failed()) return 0;
  std::size_t bytes = 0;
  bool keyed = key_.has_value();
  for (const Token token : tokens()) {
    switch (token) {
      case Token::e: bytes += PublicKey::size; break;
      case Token::s: bytes += PublicKey::size + (keyed ? tag_bytes : 0); break;
      case Token::ee:
      case Token::es:
      case Token::se:
      case Token::ss: keyed = true; break;
    }
  }
  return bytes + (keyed ? tag_bytes : 0);
}

void NoiseHandshake::mix_hash(Bytes data) { hash_ = crypto::blake2b_512({hash_.bytes(), data}); }

void NoiseHandshake::mix_key(const crypto::SharedSecret& shared) {
  const auto [chain, key] = noise_hkdf(chain_.bytes(), shared.bytes());
  chain_ = ChainKey::from(chain.bytes());
  key_ = cipher_key(key);
  nonce_ = 0;
}

bool NoiseHandshake::mix_dh(Token token) {
  const bool initiator = role_ == Role::initiator;
  // The token's first letter is the initiator's key, the second the responder's.
  const bool initiator_static = token == Token::se || token == Token::ss;
  const bool responder_static = token == Token::es || token == Token::ss;
  const KeyPair& mine = (initiator ? initiator_static : responder_static) ? static_ : ephemeral_;
  const auto& theirs = (initiator ? responder_static : initiator_static) ? remote_static_ : remote_ephemeral_;
  invariant(theirs.has_value(), "a key is received before it is mixed in");
  const auto shared = crypto::diffie_hellman(mine.secret_key, *theirs);
  if (!shared) return false;
  mix_key(*shared);
  return true;
}

void NoiseHandshake::encrypt_and_hash(Buffer& out, Bytes plain) {
  const std::size_t at = out.size();
  if (key_)
    crypto::seal(out, *key_, nonce_++, hash_.bytes(), plain);
  else
    append(out, plain);
  mix_hash(Bytes(out).subspan(at));
}

Result<Buffer> NoiseHandshake::decrypt_and_hash(Bytes sealed) {
  if (!key_) {
    mix_hash(sealed);
    return to_buffer(sealed);
  }
  auto plain = crypto::open(*key_, nonce_++, hash_.bytes(), sealed);
  if (plain) mix_hash(sealed);
  return plain;
}

Result<Buffer> NoiseHandshake::write(Bytes payload) {
  invariant(writes(), "a handshake message is written in turn");
  Buffer out;
  out.reserve(message_bytes() + payload.size());
  for (const Token token : tokens()) {
    switch (token) {
      case Token::e:
        append(out, ephemeral_.public_key.bytes());
        mix_hash(ephemeral_.public_key.bytes());
        break;
      case Token::s: encrypt_and_hash(out, static_.public_key.bytes()); break;
      case Token::ee:
      case Token::es:
      case Token::se:
      case Token::ss:
        if (!mix_dh(token)) return fail();
        break;
    }
  }
  encrypt_and_hash(out, payload);
  advance();
  return out;
}

Result<Buffer> NoiseHandshake::read(Bytes message) {
  invariant(state_ == State::reading, "a handshake message is read in turn");
  if (message.size() < message_bytes() || !read_tokens(message)) return fail();
  auto payload = decrypt_and_hash(message);
  if (!payload) return fail();
  advance();
  return payload;
}

bool NoiseHandshake::read_tokens(Bytes& rest) {
  const auto next = [&](std::size_t bytes) {
    const Bytes out = rest.first(bytes);
    rest = rest.subspan(bytes);
    return out;
  };
  for (const Token token : tokens()) {
    switch (token) {
      case Token::e:
        remote_ephemeral_ = PublicKey::from(next(PublicKey::size));
        mix_hash(remote_ephemeral_->bytes());
        break;
      case Token::s: {
        const auto key = decrypt_and_hash(next(PublicKey::size + (key_ ? tag_bytes : 0)));
        if (!key) return false;
        remote_static_ = PublicKey::from(*key);
        break;
      }
      case Token::ee:
      case Token::es:
      case Token::se:
      case Token::ss:
        if (!mix_dh(token)) return false;
        break;
    }
  }
  return true;
}

void NoiseHandshake::advance() {
  ++message_;
  if (message_ == pattern_->messages)
    state_ = State::finished;
  else
    state_ = state_ == State::writing ? State::reading : State::writing;
}

Error NoiseHandshake::fail() {
  state_ = State::failed;
  remote_static_.reset();  // what it said was never proven
  return ProtocolErrc::handshake_failed;
}

HandshakeKeys NoiseHandshake::take_keys() {
  invariant(finished() && remote_static_.has_value(), "keys come from a finished handshake");
  const auto [first, second] = noise_hkdf(chain_.bytes(), {});
  wipe(chain_.bytes());
  const bool initiator = role_ == Role::initiator;
  return {cipher_key(initiator ? first : second), cipher_key(initiator ? second : first), hash_,
          *remote_static_};
}

}  // namespace sheaf
