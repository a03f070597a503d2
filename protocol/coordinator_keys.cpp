#include "protocol/coordinator_keys.hpp"

#include <array>

#include "protocol/crypto.hpp"

namespace sheaf {
namespace {

std::array<std::byte, 8> spelled(std::uint64_t value) {
  std::array<std::byte, 8> out;
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
  return out;
}

Hash derived(const BundleSecret& secret, CoordinatorNamespace name, const WideHash& handshake_hash) {
  return crypto::blake2b_keyed(secret.bytes(), {namespace_of(name).bytes(), handshake_hash.bytes()});
}

}  // namespace

const BundleSecret& open_bundle_secret() {
  static const auto secret = BundleSecret::from(crypto::blake2b({as_bytes("sheaf open bundle")}).bytes());
  return secret;
}

const Hash& namespace_of(CoordinatorNamespace number) {
  static const auto all = [] {
    std::array<Hash, static_cast<std::size_t>(CoordinatorNamespace::join) + 1> out;
    const Hash owner = crypto::blake2b({as_bytes(coordinator::protocol_name)});
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto byte = static_cast<std::byte>(i);
      out[i] = crypto::blake2b({owner.bytes(), Bytes(&byte, 1)});
    }
    return out;
  }();
  return all[static_cast<std::size_t>(number)];
}

Slot slot_of(const CoreKey& key) {
  return Slot::from(crypto::blake2b({namespace_of(CoordinatorNamespace::slot).bytes(), key.bytes()}).bytes());
}

CoordinatorKeys::CoordinatorKeys(const BundleSecret& secret, const WideHash& handshake_hash)
    : topic_(derived(secret, CoordinatorNamespace::topic, handshake_hash)),
      salt_(derived(secret, CoordinatorNamespace::salt, handshake_hash)),
      proof_initiator_(derived(secret, CoordinatorNamespace::proof_initiator, handshake_hash)),
      proof_responder_(derived(secret, CoordinatorNamespace::proof_responder, handshake_hash)) {}

Hash CoordinatorKeys::root(const Hash& digest, std::uint64_t count) const {
  return crypto::blake2b_keyed(
      salt_.bytes(), {namespace_of(CoordinatorNamespace::root).bytes(), digest.bytes(), spelled(count)});
}

coordinator::ShortDigest CoordinatorKeys::short_digest(const Hash& digest) const {
  const Hash salted = crypto::blake2b_keyed(salt_.bytes(), {digest.bytes()});
  return coordinator::ShortDigest::from(salted.bytes().first<coordinator::ShortDigest::size>());
}

coordinator::Tag CoordinatorKeys::tag(const Slot& slot) const {
  const Hash salted =
      crypto::blake2b_keyed(salt_.bytes(), {namespace_of(CoordinatorNamespace::tag).bytes(), slot.bytes()});
  return coordinator::Tag::from(salted.bytes().first<coordinator::Tag::size>());
}

}  // namespace sheaf
