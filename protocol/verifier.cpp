#include "protocol/verifier.hpp"

#include <utility>

#include "protocol/authority.hpp"
#include "protocol/flat_tree.hpp"
#include "protocol/signables.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// What one part of several signatures can take: signer, flags, patch and the signature itself.
constexpr std::size_t signature_part_bytes = 128;

bool nodes_within_bounds(std::span<const TreeNode> nodes, const Limits& limits) {
  if (nodes.size() > limits.proof_nodes_part) return false;
  for (const TreeNode& node : nodes)
    if (node.index.value > max_wire_integer || node.size.value > max_wire_integer) return false;
  return true;
}

// A path as it is climbed: from one node to the next parent, noting all that was seen.
class Climb {
 public:
  Climb(const TreeNode& from, std::vector<TreeNode>& seen) : top_(from), seen_(seen) {
    seen_.push_back(from);
  }

  const TreeNode& top() const { return top_; }
  TreeIndex wanted() const { return flat_tree::sibling(top_.index); }

  // `noted`: the sibling was seen before, as the top of another climb.
  Result<void> join(const TreeNode& sibling, bool noted = false) {
    if (sibling.index != wanted() || wanted().value > max_wire_integer) return ProtocolErrc::invalid_proof;
    const auto parent = parent_of(top_, sibling);
    if (!parent) return parent.error();
    if (!noted) seen_.push_back(sibling);
    seen_.push_back(*parent);
    top_ = *parent;
    return {};
  }

 private:
  TreeNode top_;
  std::vector<TreeNode>& seen_;
};

// The root that block, hash and seek parts lead to; nothing without such a part.
Result<std::optional<TreeNode>> subtree_root(const Proof& proof, const Hash* leaf,
                                             std::vector<TreeNode>& seen) {
  std::optional<TreeNode> sought;
  if (proof.seek && !proof.seek->nodes.empty()) {
    const std::span<const TreeNode> nodes = proof.seek->nodes;
    Climb climb(nodes.front(), seen);
    for (const TreeNode& node : nodes.subspan(1))
      if (auto joined = climb.join(node); !joined) return joined.error();
    sought = climb.top();
  }
  if (!proof.block && !proof.hash) return sought;

  std::span<const TreeNode> nodes;
  TreeNode start;
  if (proof.block) {
    nodes = proof.block->nodes;
    start = {flat_tree::leaf(proof.block->index), {proof.block->value.size()}, *leaf};
  } else {
    nodes = proof.hash->nodes;
    if (nodes.empty() || nodes.front().index != proof.hash->index) return ProtocolErrc::invalid_proof;
    start = nodes.front();
    nodes = nodes.subspan(1);
  }
  Climb climb(start, seen);
  while (!nodes.empty() || sought) {
    const bool from_seek = sought && sought->index == climb.wanted();
    if (!from_seek && nodes.empty()) return ProtocolErrc::invalid_proof;
    const TreeNode next = from_seek ? *sought : nodes.front();
    if (auto joined = climb.join(next, from_seek); !joined) return joined.error();
    if (from_seek)
      sought.reset();
    else
      nodes = nodes.subspan(1);
  }
  return std::optional(climb.top());
}

// The length that an upgrade ends at; nothing if that is past all bounds.
std::optional<Length> length_after(const UpgradeProof& upgrade) {
  std::uint64_t length = upgrade.start.value;
  const auto add = [&](std::uint64_t more) {
    if (more > flat_tree::longest.value - length) return false;
    length += more;
    return true;
  };
  if (length > flat_tree::longest.value || !add(upgrade.length.value)) return std::nullopt;
  for (const TreeNode& node : upgrade.additional)
    if (!add(flat_tree::leaves(node.index).value)) return std::nullopt;
  return Length{length};
}

// Grows a head by an upgrade's nodes and holds it against the prologue on the way.
class Growth {
 public:
  Growth(TreeHead& head, const std::optional<Prologue>& prologue, std::vector<TreeNode>& made)
      : head_(head), prologue_(prologue), made_(made) {}

  // `floating`, the root of another part, stands in for the node of its index and is then reset.
  Result<void> grow(const UpgradeProof& upgrade, std::optional<TreeNode>& floating) {
    const Length to = upgrade.start + upgrade.length;
    const bool passes_prologue = prologue_ && head_.length < prologue_->length;
    if (passes_prologue && to < prologue_->length) return ProtocolErrc::invalid_proof;
    std::span<const TreeNode> nodes = upgrade.nodes;
    while (head_.length < to) {
      const TreeIndex wanted = flat_tree::next_root(head_.length, to);
      const bool stands_in = floating && floating->index == wanted;
      if (!stands_in && (nodes.empty() || nodes.front().index != wanted)) return ProtocolErrc::invalid_proof;
      if (auto grown = append(stands_in ? *floating : nodes.front()); !grown) return grown.error();
      if (stands_in)
        floating.reset();
      else
        nodes = nodes.subspan(1);
    }
    if (!nodes.empty()) return ProtocolErrc::invalid_proof;
    for (const TreeNode& node : upgrade.additional)
      if (auto grown = append(node); !grown) return grown.error();
    if (passes_prologue && !met_prologue_) return ProtocolErrc::invalid_proof;
    return {};
  }

 private:
  Result<void> append(const TreeNode& node) {
    if (auto grown = append_root(head_, node, made_); !grown) return grown.error();
    if (!prologue_ || head_.length != prologue_->length) return {};
    if (tree_hash(head_) != prologue_->hash) return ProtocolErrc::invalid_proof;
    met_prologue_ = true;
    return {};
  }

  TreeHead& head_;
  const std::optional<Prologue>& prologue_;
  std::vector<TreeNode>& made_;
  bool met_prologue_ = false;
};

}  // namespace

Verifier::Verifier(const CoreKey& key, TreeHead head, std::optional<Manifest> manifest, NodeReader& nodes,
                   const Limits& limits)
    : key_(key), head_(std::move(head)), manifest_(std::move(manifest)), nodes_(nodes), limits_(limits) {}

Result<void> Verifier::check(const Proof& proof, const Manifest* manifest) {
  if (auto bounded = check_bounds(proof); !bounded) return bounded;
  if (!proof.block) return check_with_leaf(proof, manifest, nullptr);
  const Hash leaf = leaf_hash(proof.block->value);
  return check_with_leaf(proof, manifest, &leaf);
}

void Verifier::check_all(std::span<const Incoming> proofs, std::span<Result<void>> results) {
  invariant(proofs.size() == results.size(), "one result for each proof");
  std::vector<Bytes> values;
  values.reserve(proofs.size());
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    results[i] = check_bounds(*proofs[i].proof);
    if (results[i] && proofs[i].proof->block) values.push_back(proofs[i].proof->block->value);
  }
  std::vector<Hash> leaves(values.size());
  leaf_hashes(values, leaves);
  const Hash* leaf = leaves.data();
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    if (!results[i]) continue;
    const bool has_block = proofs[i].proof->block.has_value();
    results[i] = check_with_leaf(*proofs[i].proof, proofs[i].manifest, has_block ? leaf++ : nullptr);
  }
}

// Everything that can be said without hashing.
Result<void> Verifier::check_bounds(const Proof& proof) const {
  std::size_t nodes = 0;
  const auto within = [&](std::span<const TreeNode> part) {
    nodes += part.size();
    return nodes_within_bounds(part, limits_);
  };
  bool bounded = !(proof.block && proof.hash);
  if (proof.block)
    bounded = bounded && proof.block->index < end_of(flat_tree::longest) && within(proof.block->nodes);
  if (proof.hash)
    bounded = bounded && proof.hash->index.value <= max_wire_integer && within(proof.hash->nodes);
  if (proof.seek) bounded = bounded && within(proof.seek->nodes);
  if (proof.upgrade) {
    const std::size_t most_signature =
        limits_.manifest_signers * signature_part_bytes + limits_.proof_nodes_part * (sizeof(TreeNode) + 2);
    bounded = bounded && within(proof.upgrade->nodes) && within(proof.upgrade->additional) &&
              proof.upgrade->signature.size() <= most_signature;
    bounded = bounded && length_after(*proof.upgrade);
  }
  if (!bounded || nodes > limits_.proof_nodes) return ProtocolErrc::malformed_proof;
  return {};
}

Result<std::optional<TreeNode>> Verifier::known(TreeIndex index) {
  for (const TreeNode& root : head_.roots)
    if (root.index == index) return std::optional(root);
  return nodes_.node(index);
}

// The root of a part has to be a node that we have verified before.
Result<void> Verifier::check_subtree(const TreeNode& root) {
  if (!flat_tree::within(root.index, head_.length)) return ProtocolErrc::missing_node;
  const auto here = known(root.index);
  if (!here) return here.error();
  if (!*here) return ProtocolErrc::missing_node;
  if (**here != root) return ProtocolErrc::invalid_proof;
  return {};
}

Result<void> Verifier::check_with_leaf(const Proof& proof, const Manifest* sent, const Hash* leaf) {
  const bool learns_manifest = sent != nullptr && !manifest_;
  if (learns_manifest)
    if (auto checked = check_manifest(*sent, key_); !checked) return checked;

  scratch_.clear();
  auto root = subtree_root(proof, leaf, scratch_);
  if (!root) return root.error();
  std::optional<TreeNode> floating = *root;

  std::optional<TreeHead> longer;
  if (proof.upgrade && *length_after(*proof.upgrade) > head_.length) {
    // Made for another length of ours: the sender may be right, and we cannot tell.
    if (proof.upgrade->start != head_.length) return ProtocolErrc::missing_node;
    const std::optional<Manifest> manifest = learns_manifest ? std::optional(*sent) : manifest_;
    const std::optional<Prologue> prologue =
        prologue_length(manifest, key_).value > 0 ? manifest->prologue : std::nullopt;
    longer = head_;
    longer->signature = to_buffer(proof.upgrade->signature);
    Growth growth(*longer, prologue, scratch_);
    if (auto grown = growth.grow(*proof.upgrade, floating); !grown) return grown;
    if (floating)
      if (auto checked = check_subtree(*floating); !checked) return checked;
    [[maybe_unused]] const auto verified = verify_head(*longer, manifest, key_);
#ifndef SHEAF_CANARY_SKIP_SIGNATURE
    if (!verified) return verified;
#endif
  } else if (floating) {
    if (auto checked = check_subtree(*floating); !checked) return checked;
  }

  for (const TreeNode& node : scratch_)
    if (!floating || node.index != floating->index) nodes_.put(node);
  if (longer) {
    head_ = std::move(*longer);
    grew_ = true;
  }
  if (learns_manifest) {
    manifest_ = *sent;
    learned_manifest_ = true;
  }
  return {};
}

Verified Verifier::take() {
  Verified out{nodes_.take(), std::nullopt, std::nullopt};
  if (grew_) out.head = std::move(head_);
  if (learned_manifest_) out.manifest = std::move(manifest_);
  return out;
}

Result<Verified> verify(const Proof& proof, const Manifest* sent, const TreeHead& head,
                        const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                        const Limits& limits) {
  Verifier verifier(key, head, manifest, nodes, limits);
  if (auto checked = verifier.check(proof, sent); !checked) return checked.error();
  return verifier.take();
}

}  // namespace sheaf
