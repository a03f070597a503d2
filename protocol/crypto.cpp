#include "protocol/crypto.hpp"

#include <algorithm>
#include <array>

#include <sodium.h>

#include "sheaf/protocol/invariant.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {
namespace {

unsigned char* raw(MutableBytes b) { return reinterpret_cast<unsigned char*>(b.data()); }
const unsigned char* raw(Bytes b) { return reinterpret_cast<const unsigned char*>(b.data()); }

// libsodium chooses its code for this processor once, before the first call.
const bool sodium_ready = [] {
  invariant(sodium_init() >= 0, "libsodium initialises");
  return true;
}();

class SystemRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) override {
    if (!out.empty()) randombytes_buf(out.data(), out.size());
  }
};

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) {
    for (std::size_t i = 0; i < 8; ++i) key_[i] = static_cast<std::byte>(seed >> (8 * i));
  }
  void fill(MutableBytes out) override {
    if (out.empty()) return;
    std::array<unsigned char, 12> nonce{};
    for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<unsigned char>(turn_ >> (8 * i));
    ++turn_;
    crypto_stream_chacha20_ietf(raw(out), out.size(), nonce.data(), raw(Bytes(key_)));
  }

 private:
  std::array<std::byte, 32> key_{};
  std::uint64_t turn_ = 0;
};

}  // namespace

void wipe(MutableBytes secret) noexcept { sodium_memzero(secret.data(), secret.size()); }

std::uint64_t RandomSource::next() {
  std::array<std::byte, 8> bytes{};
  fill(bytes);
  std::uint64_t out = 0;
  for (std::byte b : bytes) out = out << 8 | std::to_integer<std::uint64_t>(b);
  return out;
}

std::uint64_t RandomSource::below(std::uint64_t bound) {
  invariant(bound > 0, "below() needs a bound");
  const std::uint64_t fair = ~std::uint64_t{0} - ~std::uint64_t{0} % bound;  // drop the uneven tail
  for (;;)
    if (const std::uint64_t drawn = next(); drawn < fair) return drawn % bound;
}

std::unique_ptr<RandomSource> system_random() { return std::make_unique<SystemRandom>(); }
std::unique_ptr<RandomSource> seeded_random(std::uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

namespace crypto {
namespace {

template <class Out>
Out hash_parts(Bytes key, std::initializer_list<Bytes> parts) {
  crypto_generichash_state state;
  Out out;
  crypto_generichash_init(&state, key.empty() ? nullptr : raw(key), key.size(), Out::size);
  for (Bytes part : parts) crypto_generichash_update(&state, raw(part), part.size());
  crypto_generichash_final(&state, raw(out.bytes()), Out::size);
  return out;
}

std::array<unsigned char, 12> ietf_nonce(std::uint64_t counter) {
  std::array<unsigned char, 12> nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<unsigned char>(counter >> (8 * i));
  return nonce;
}

}  // namespace

Hash blake2b(std::initializer_list<Bytes> parts) { return hash_parts<Hash>({}, parts); }
WideHash blake2b_512(std::initializer_list<Bytes> parts) { return hash_parts<WideHash>({}, parts); }
Hash blake2b_keyed(Bytes key, std::initializer_list<Bytes> parts) { return hash_parts<Hash>(key, parts); }

WideHash hmac_blake2b(Bytes key, std::initializer_list<Bytes> parts) {
  constexpr std::size_t block = 128;
  std::array<std::byte, block> inner{}, outer{};
  if (key.size() <= block)
    std::copy(key.begin(), key.end(), inner.begin());
  else
    std::ranges::copy(blake2b_512({key}).value, inner.begin());
  for (std::size_t i = 0; i < block; ++i) {
    outer[i] = inner[i] ^ std::byte{0x5c};
    inner[i] ^= std::byte{0x36};
  }
  crypto_generichash_state state;
  WideHash digest;
  crypto_generichash_init(&state, nullptr, 0, WideHash::size);
  crypto_generichash_update(&state, raw(Bytes(inner)), block);
  for (Bytes part : parts) crypto_generichash_update(&state, raw(part), part.size());
  crypto_generichash_final(&state, raw(digest.bytes()), WideHash::size);
  const WideHash out = blake2b_512({outer, digest.bytes()});
  wipe(inner);
  wipe(outer);
  return out;
}

KeyPair key_pair(const Seed& seed) {
  KeyPair out;
  crypto_sign_seed_keypair(raw(out.public_key.bytes()), raw(out.secret_key.bytes()), raw(seed.bytes()));
  return out;
}

Signature sign(Bytes message, const SecretKey& key) {
  Signature out;
  crypto_sign_detached(raw(out.bytes()), nullptr, raw(message), message.size(), raw(key.bytes()));
  return out;
}

bool verify(const Signature& signature, Bytes message, const PublicKey& key) {
  return crypto_sign_verify_detached(raw(signature.bytes()), raw(message), message.size(),
                                     raw(key.bytes())) == 0;
}

Result<SharedSecret> diffie_hellman(const SecretKey& mine, const PublicKey& theirs) {
  WideHash expanded;
  crypto_hash_sha512(raw(expanded.bytes()), raw(mine.bytes()), Seed::size);
  auto& scalar = expanded.value;
  scalar[0] &= std::byte{248};
  scalar[31] &= std::byte{127};
  scalar[31] |= std::byte{64};
  SharedSecret out;
  const int failed =
      crypto_scalarmult_ed25519_noclamp(raw(out.bytes()), raw(expanded.bytes()), raw(theirs.bytes()));
  wipe(expanded.bytes());
  if (failed != 0) return ProtocolErrc::handshake_failed;
  return out;
}

void seal(Buffer& out, const CipherKey& key, std::uint64_t counter, Bytes associated, Bytes plain) {
  const auto nonce = ietf_nonce(counter);
  const std::size_t at = out.size();
  out.resize(at + plain.size() + crypto_aead_chacha20poly1305_ietf_ABYTES);
  crypto_aead_chacha20poly1305_ietf_encrypt(raw(MutableBytes(out).subspan(at)), nullptr, raw(plain),
                                            plain.size(), raw(associated), associated.size(), nullptr,
                                            nonce.data(), raw(key.bytes()));
}

Result<Buffer> open(const CipherKey& key, std::uint64_t counter, Bytes associated, Bytes sealed) {
  if (sealed.size() < crypto_aead_chacha20poly1305_ietf_ABYTES) return ProtocolErrc::decrypt_failed;
  const auto nonce = ietf_nonce(counter);
  Buffer out(sealed.size() - crypto_aead_chacha20poly1305_ietf_ABYTES);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(raw(MutableBytes(out)), nullptr, nullptr, raw(sealed),
                                                sealed.size(), raw(associated), associated.size(),
                                                nonce.data(), raw(key.bytes())) != 0)
    return ProtocolErrc::decrypt_failed;
  return out;
}

void stream_xor(MutableBytes data, Bytes nonce, Bytes key) {
  invariant(nonce.size() == crypto_stream_NONCEBYTES && key.size() == crypto_stream_KEYBYTES,
            "XSalsa20 takes a nonce of 24 and a key of 32 bytes");
  if (data.empty()) return;
  crypto_stream_xor(raw(data), raw(data), data.size(), raw(nonce), raw(key));
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;  // an empty view may point nowhere
}

struct Push::State {
  crypto_secretstream_xchacha20poly1305_state sodium;
};
struct Pull::State {
  crypto_secretstream_xchacha20poly1305_state sodium;
};

void Push::Wipe::operator()(State* state) const noexcept {
  sodium_memzero(state, sizeof *state);
  delete state;
}
void Pull::Wipe::operator()(State* state) const noexcept {
  sodium_memzero(state, sizeof *state);
  delete state;
}

// The push state is the pull state of the same header: libsodium's init_push draws the header itself and
// then starts just so, and we draw it from the injected source instead.
Push::Push(const CipherKey& key, Bytes header_random) : state_(new State) {
  invariant(header_random.size() == secretstream_header_bytes, "a secretstream header has 24 bytes");
  crypto_secretstream_xchacha20poly1305_init_pull(&state_->sodium, raw(header_random), raw(key.bytes()));
}
Push::~Push() = default;

void Push::seal(MutableBytes frame) {
  invariant(frame.size() >= secretstream_overhead, "a frame to seal has room for tag and MAC");
  crypto_secretstream_xchacha20poly1305_push(&state_->sodium, raw(frame), nullptr, raw(frame.subspan(1)),
                                             frame.size() - secretstream_overhead, nullptr, 0,
                                             crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
}

Pull::Pull(const CipherKey& key, Bytes header) : state_(new State) {
  invariant(header.size() == secretstream_header_bytes, "a secretstream header has 24 bytes");
  crypto_secretstream_xchacha20poly1305_init_pull(&state_->sodium, raw(header), raw(key.bytes()));
}
Pull::~Pull() = default;

Result<MutableBytes> Pull::open(MutableBytes frame) {
  if (frame.size() < secretstream_overhead) return ProtocolErrc::decrypt_failed;
  const MutableBytes plain = frame.subspan(1, frame.size() - secretstream_overhead);
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_->sodium, raw(plain), nullptr, &tag, raw(frame),
                                                 frame.size(), nullptr, 0) != 0)
    return ProtocolErrc::decrypt_failed;
  return plain;
}

}  // namespace crypto
}  // namespace sheaf
