#include "protocol/authority.hpp"

#include <algorithm>

#include "protocol/flat_tree.hpp"
#include "protocol/merkle.hpp"
#include "protocol/signables.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

constexpr std::uint64_t old_patch_flag = 1;
constexpr std::size_t node_bytes = 34;  // the least a node takes: index and size in a byte each

bool raw_signed(const Manifest& manifest) {
  return manifest.version == 0 && manifest.signers.size() == 1 && !manifest.allow_patch;
}

// One signature of several; `patch` says by how many blocks the tree that it signs is longer.
struct PartialSignature {
  std::uint64_t signer;
  Signature signature;
  std::uint64_t patch = 0;
};

struct MultiSignature {
  std::vector<PartialSignature> parts;  // no more than the quorum: others are not looked at
  std::vector<TreeNode> nodes;          // what patches grow the tree with
};

PartialSignature read_part(Reader& in, bool old) {
  PartialSignature out;
  const std::uint64_t flags = old ? in.uint() : 0;
  out.signer = in.uint();
  out.signature = in.fixed<Signature>();
  if (!old) {
    out.patch = in.uint();
  } else if ((flags & old_patch_flag) != 0) {
    in.uint();  // where the patch starts, which is where the tree ends
    out.patch = in.uint();
    for (std::size_t left = in.count(); left > 0 && in.ok(); --left) in.uint();
  }
  return out;
}

std::optional<MultiSignature> read_signature(Bytes spelled, bool old, std::uint64_t quorum) {
  Reader in(spelled);
  MultiSignature out;
  const std::size_t parts = in.count(Signature::size + 2);
  for (std::size_t i = 0; i < parts && in.ok(); ++i) {
    const PartialSignature part = read_part(in, old);
    if (i < quorum) out.parts.push_back(part);
  }
  const std::size_t nodes = in.count(node_bytes);
  for (std::size_t i = 0; i < nodes && in.ok(); ++i) {
    TreeNode node;
    node.index = {in.uint()};
    node.size = {in.uint()};
    node.hash = in.fixed<Hash>();
    out.nodes.push_back(node);
  }
  if (!in.ok() || out.parts.size() < quorum) return std::nullopt;
  return out;
}

// The tree that a patched signature covers: longer by `patch` blocks.
Result<TreeHead> patched(const TreeHead& head, std::uint64_t patch, const std::vector<TreeNode>& nodes) {
  if (patch > (flat_tree::longest - head.length).value) return ProtocolErrc::invalid_signature;
  const Length to = head.length + Length{patch};
  TreeHead out{head.fork, head.length, head.byte_length, head.roots, {}};
  std::vector<TreeNode> made;
  while (out.length < to) {
    const TreeIndex wanted = flat_tree::next_root(out.length, to);
    const auto node = std::ranges::find(nodes, wanted, &TreeNode::index);
    if (node == nodes.end() || !append_root(out, *node, made)) return ProtocolErrc::invalid_signature;
  }
  return out;
}

Buffer signable(const TreeHead& head, const Manifest& manifest, const CoreKey& key, const Signer& signer) {
  const Hash context = manifest.version == 0 ? signer.context : Hash::from(key.bytes());
  return tree_signable(context, tree_hash(head), head.length, head.fork);
}

bool quorum_signed(const TreeHead& head, const Manifest& manifest, const CoreKey& key) {
  if (manifest.quorum == 0 || head.signature.empty()) return false;
  const auto signature = read_signature(head.signature, manifest.version == 0, manifest.quorum);
  if (!signature) return false;
  std::vector<bool> seen(manifest.signers.size());
  for (const PartialSignature& part : signature->parts) {
    if (part.signer >= seen.size() || seen[part.signer]) return false;
    seen[part.signer] = true;
    const Signer& signer = manifest.signers[part.signer];
    Buffer message;
    if (manifest.allow_patch && part.patch > 0) {
      const auto longer = patched(head, part.patch, signature->nodes);
      if (!longer) return false;
      message = signable(*longer, manifest, key, signer);
    } else {
      message = signable(head, manifest, key, signer);
    }
    if (!crypto::verify(part.signature, message, signer.public_key)) return false;
  }
  return true;
}

bool raw_holds(Bytes signature, Bytes message, const PublicKey& signer) {
  return signature.size() == Signature::size && crypto::verify(Signature::from(signature), message, signer);
}

bool holds(const TreeHead& head, const std::optional<Manifest>& manifest, const CoreKey& key) {
  if (!manifest || is_compat(*manifest, key))
    return raw_holds(head.signature, compat_signable(tree_hash(head), head.length, head.fork),
                     PublicKey::from(key.bytes()));
  if (manifest->version > 0 && manifest->prologue && head.length <= manifest->prologue->length)
    return head.length == manifest->prologue->length && tree_hash(head) == manifest->prologue->hash;
  if (raw_signed(*manifest)) {
    const Signer& signer = manifest->signers.front();
    return raw_holds(head.signature, signable(head, *manifest, key, signer), signer.public_key);
  }
  return quorum_signed(head, *manifest, key);
}

}  // namespace

Buffer sign_head(const TreeHead& head, const std::optional<Manifest>& manifest, const CoreKey& key,
                 const KeyPair& signer) {
  if (!manifest || is_compat(*manifest, key)) {
    const Buffer message = compat_signable(tree_hash(head), head.length, head.fork);
    return to_buffer(crypto::sign(message, signer.secret_key).bytes());
  }
  const auto place = std::ranges::find(manifest->signers, signer.public_key, &Signer::public_key);
  invariant(manifest->quorum == 1 && place != manifest->signers.end(),
            "one of the manifest's signers is enough, and it is this one");
  const Signature signature = crypto::sign(signable(head, *manifest, key, *place), signer.secret_key);
  if (raw_signed(*manifest)) return to_buffer(signature.bytes());

  Buffer out;
  Writer writer(out);
  writer.uint(1);                              // one part
  if (manifest->version == 0) writer.uint(0);  // its flags: no patch
  writer.uint(static_cast<std::uint64_t>(place - manifest->signers.begin()));
  writer.fixed(signature);
  if (manifest->version > 0) writer.uint(0);  // its patch: none
  writer.uint(0);                             // no nodes
  return out;
}

Result<void> verify_head(const TreeHead& head, const std::optional<Manifest>& manifest, const CoreKey& key) {
  if (!holds(head, manifest, key)) return ProtocolErrc::invalid_signature;
  return {};
}

}  // namespace sheaf
