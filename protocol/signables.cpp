#include "protocol/signables.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "protocol/blake2b_many.hpp"
#include "protocol/codec.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// A namespace is the hash of its owner's name and its number there.
Hash numbered(const Hash& owner, std::uint8_t number) {
  const std::byte byte{number};
  return crypto::blake2b({owner.bytes(), Bytes(&byte, 1)});
}

const Hash& hypercore(std::uint8_t number) {
  static const auto all = [] {
    std::array<Hash, 6> out;
    const Hash owner = crypto::blake2b({as_bytes("hypercore")});
    for (std::uint8_t i = 0; i < out.size(); ++i) out[i] = numbered(owner, i);
    return out;
  }();
  return all[number];
}

// u64 little endian, as everything hashed spells its numbers.
std::array<std::byte, 8> spelled(std::uint64_t value) {
  std::array<std::byte, 8> out;
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
  return out;
}

constexpr std::byte leaf_type{0}, parent_type{1}, root_type{2};

}  // namespace

namespace namespaces {
const Hash& tree() { return hypercore(0); }
const Hash& replicate(Role sender) { return hypercore(sender == Role::initiator ? 1 : 2); }
const Hash& manifest() { return hypercore(3); }
const Hash& default_signer() { return hypercore(4); }
const Hash& default_encryption() { return hypercore(5); }
const Hash& corestore() {
  static const Hash out = numbered(crypto::blake2b({as_bytes("corestore")}), 0);
  return out;
}
const Hash& hyperdrive_blobs() {
  static const Hash out = numbered(crypto::blake2b({as_bytes("hyperdrive")}), 0);
  return out;
}
}  // namespace namespaces

DiscoveryKey discovery_key(const CoreKey& key) {
  return DiscoveryKey::from(crypto::blake2b_keyed(key.bytes(), {as_bytes("hypercore")}).bytes());
}

Hash capability(const CoreKey& key, const WideHash& handshake_hash, Role sender) {
  return crypto::blake2b_keyed(handshake_hash.bytes(), {namespaces::replicate(sender).bytes(), key.bytes()});
}

Hash stream_id(const WideHash& handshake_hash, Role sender) {
  static const Hash owner = crypto::blake2b({as_bytes("hyperswarm/secret-stream")});
  const Hash name = numbered(owner, sender == Role::initiator ? 0 : 1);
  return crypto::blake2b_keyed(handshake_hash.bytes(), {name.bytes()});
}

Hash leaf_hash(Bytes block) { return crypto::blake2b({Bytes(&leaf_type, 1), spelled(block.size()), block}); }

void leaf_hashes(std::span<const Bytes> blocks, std::span<Hash> out) {
  invariant(blocks.size() == out.size(), "one hash for each block");
  if (blocks.size() == 1) {
    out[0] = leaf_hash(blocks[0]);
    return;
  }
  std::vector<crypto::HeadedMessage> messages(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    crypto::HeadedMessage& message = messages[i];
    message.head[0] = leaf_type;
    std::ranges::copy(spelled(blocks[i].size()), message.head.begin() + 1);
    message.head_bytes = 1 + sizeof(std::uint64_t);
    message.body = blocks[i];
  }
  crypto::blake2b_many(messages, out);
}

Hash parent_hash(const TreeNode& left, const TreeNode& right) {
  return crypto::blake2b({Bytes(&parent_type, 1), spelled(left.size.value + right.size.value),
                          left.hash.bytes(), right.hash.bytes()});
}

Hash tree_hash(std::span<const TreeNode> roots) {
  Buffer spelled_roots;
  spelled_roots.push_back(root_type);
  for (const TreeNode& root : roots) {
    append(spelled_roots, root.hash.bytes());
    append(spelled_roots, spelled(root.index.value));
    append(spelled_roots, spelled(root.size.value));
  }
  return crypto::blake2b({spelled_roots});
}

CoreKey manifest_hash(Bytes canonical_manifest) {
  return CoreKey::from(crypto::blake2b({namespaces::manifest().bytes(), canonical_manifest}).bytes());
}

Buffer tree_signable(const Hash& context, const Hash& tree, Length length, Fork fork) {
  Buffer out;
  append(out, namespaces::tree().bytes());
  append(out, context.bytes());
  append(out, tree.bytes());
  append(out, spelled(length.value));
  append(out, spelled(fork.value));
  return out;
}

Buffer compat_signable(const Hash& tree, Length length, Fork fork) {
  Buffer out;
  append(out, namespaces::tree().bytes());
  append(out, tree.bytes());
  append(out, spelled(length.value));
  append(out, spelled(fork.value));
  return out;
}

EncryptionKey block_key(const CoreKey& key, const EncryptionKey& encryption_key, bool compat) {
  const Hash hash =
      compat
          ? crypto::blake2b_keyed(key.bytes(), {encryption_key.bytes()})
          : crypto::blake2b({namespaces::default_encryption().bytes(), key.bytes(), encryption_key.bytes()});
  return EncryptionKey::from(hash.bytes());
}

EncryptionKey blinding_key(const EncryptionKey& block_key) {
  return EncryptionKey::from(crypto::blake2b({block_key.bytes()}).bytes());
}

Hash namespace_in(const Hash& outer, std::string_view name) {
  return crypto::blake2b({outer.bytes(), as_bytes(name)});
}

Seed core_seed(const PrimaryKey& primary, const Hash& context, std::string_view name) {
  Hash seed = crypto::blake2b_keyed(primary.bytes(),
                                    {namespaces::corestore().bytes(), context.bytes(), as_bytes(name)});
  const Seed out = Seed::from(seed.bytes());
  wipe(seed.bytes());
  return out;
}

Hash blobs_signer_context(const CoreKey& db, const Hash& db_context) {
  return crypto::blake2b({namespaces::hyperdrive_blobs().bytes(), db.bytes(), db_context.bytes()});
}

}  // namespace sheaf
