// Everything that is hashed or signed, byte by byte, in one place.
//
// Layouts: hypercore 11.37 (namespaces, leaf, parent, tree, signable, capability, discovery key, manifest)
// and @hyperswarm/secret-stream 6.9 (stream ids).
#pragma once

#include <span>
#include <string_view>

#include "protocol/crypto.hpp"
#include "protocol/tree_node.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

enum class Role : std::uint8_t { initiator, responder };
constexpr Role other(Role role) { return role == Role::initiator ? Role::responder : Role::initiator; }

// The namespaces of hypercore: BLAKE2b(BLAKE2b("hypercore") ‖ index).
namespace namespaces {
const Hash& tree();
const Hash& replicate(Role sender);
const Hash& manifest();
const Hash& default_signer();
const Hash& default_encryption();
const Hash& corestore();         // of the package corestore, number 0
const Hash& hyperdrive_blobs();  // of the package hyperdrive, number 0
}  // namespace namespaces

DiscoveryKey discovery_key(const CoreKey& key);

// Proves on one connection that the sender knows the core's key.
Hash capability(const CoreKey& key, const WideHash& handshake_hash, Role sender);

// Names the sender's direction of one connection, in front of its secretstream header.
Hash stream_id(const WideHash& handshake_hash, Role sender);

Hash leaf_hash(Bytes block);
// Many leaves at once: the door for hashing side by side. Requires: as many hashes as blocks.
void leaf_hashes(std::span<const Bytes> blocks, std::span<Hash> out);
Hash parent_hash(const TreeNode& left, const TreeNode& right);
Hash tree_hash(std::span<const TreeNode> roots);

CoreKey manifest_hash(Bytes canonical_manifest);

// What a signer of a version 1 to 3 core signs: `context` is the core key; of version 0: the signer's
// namespace. A compat core signs without a context.
Buffer tree_signable(const Hash& context, const Hash& tree, Length length, Fork fork);
Buffer compat_signable(const Hash& tree, Length length, Fork fork);

// What one secret gives many cores, as corestore 7 does: a namespace inside another one, and the seed of the
// key pair of the core of that name.
using PrimaryKey = Secret<struct PrimaryKeyKind, 32>;
Hash namespace_in(const Hash& outer, std::string_view name);
Seed core_seed(const PrimaryKey& primary, const Hash& context, std::string_view name);
// The namespace of a blobs core's signer, from its db core's.
Hash blobs_signer_context(const CoreKey& db, const Hash& db_context);

// Keys of the default block encryption, spec: docs/wire.md, Log.
EncryptionKey block_key(const CoreKey& key, const EncryptionKey& encryption_key, bool compat);
EncryptionKey blinding_key(const EncryptionKey& block_key);

}  // namespace sheaf
