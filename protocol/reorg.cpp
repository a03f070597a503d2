#include "protocol/reorg.hpp"

#include <algorithm>
#include <utility>

#include "protocol/authority.hpp"
#include "protocol/flat_tree.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// The store of a core of which nothing is known.
class NoNodes final : public NodeReader {
 public:
  Result<std::optional<TreeNode>> node(TreeIndex) override { return std::optional<TreeNode>{}; }
};

}  // namespace

Result<Reorg> Reorg::begin(const Proof& proof, const Manifest* sent, Fork fork, const TreeHead& own,
                           const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                           const Limits& limits) {
  if (fork <= own.fork) return ProtocolErrc::wrong_fork;
  if (!proof.upgrade || proof.upgrade->start.value != 0 || proof.upgrade->length.value == 0)
    return ProtocolErrc::invalid_proof;
  NoNodes none;
  auto verified = verify(proof, sent, TreeHead{fork, {}, {}, {}, {}}, manifest, key, none, limits);
  if (!verified) return verified.error();
  Reorg out(own, std::move(*verified), limits);
  for (const TreeNode& root : out.head_.roots) {
    const auto same = out.ours(root, nodes);
    if (!same) return same.error();
    if (*same) continue;
    out.differing_ = root;
    break;
  }
  if (auto narrowed = out.narrow(nodes); !narrowed) return narrowed.error();
  return out;
}

Reorg::Reorg(const TreeHead& own, Verified verified, const Limits& limits)
    : own_(own), head_(std::move(*verified.head)), manifest_(std::move(verified.manifest)), limits_(limits) {
  learn(verified.nodes);
  ancestor_ = std::min(head_.length, own_.length);
}

void Reorg::learn(std::span<const TreeNode> nodes) {
  nodes_.insert(nodes_.end(), nodes.begin(), nodes.end());
  std::ranges::stable_sort(nodes_, {}, &TreeNode::index);
  const auto same = [](const TreeNode& a, const TreeNode& b) { return a.index == b.index; };
  nodes_.erase(std::unique(nodes_.begin(), nodes_.end(), same), nodes_.end());
}

const TreeNode* Reorg::learned(TreeIndex index) const {
  const auto at = std::ranges::lower_bound(nodes_, index, {}, &TreeNode::index);
  return at != nodes_.end() && at->index == index ? &*at : nullptr;
}

// Our tree has this very node. What we do not hold counts as different: then more is fetched again than
// need be, and nothing wrong is kept.
Result<bool> Reorg::ours(const TreeNode& theirs, NodeReader& nodes) const {
  if (!flat_tree::within(theirs.index, own_.length)) return false;
  for (const TreeNode& root : own_.roots)
    if (root.index == theirs.index) return root == theirs;
  const auto here = nodes.node(theirs.index);
  if (!here) return {boost::system::in_place_error, here.error()};
  return *here && **here == theirs;
}

// Walks down to the first difference as far as the nodes learned lead.
Result<void> Reorg::narrow(NodeReader& nodes) {
  while (differing_) {
    const BlockRange blocks = flat_tree::blocks(differing_->index);
    ancestor_ = {blocks.begin.value};
    if (flat_tree::is_leaf(differing_->index) || ancestor_ >= own_.length) {
      differing_.reset();
      break;
    }
    const TreeNode* left = learned(flat_tree::left_child(differing_->index));
    const TreeNode* right = learned(flat_tree::right_child(differing_->index));
    if (left == nullptr || right == nullptr) break;
    const auto same = ours(*left, nodes);
    if (!same) return same.error();
    differing_ = *same ? *right : *left;
  }
  return {};
}

BlockRange Reorg::candidates() const {
  invariant(differing_.has_value(), "a finished reorg asks nothing");
  const BlockRange blocks = flat_tree::blocks(differing_->index);
  return {blocks.begin, std::min(blocks.end, end_of(own_.length))};
}

HashRequest Reorg::request(BlockIndex block) const {
  invariant(candidates().contains(block), "a reorg asks for a block where the histories differ");
  return {flat_tree::leaf(block), flat_tree::depth(differing_->index)};
}

Result<void> Reorg::take(const HashProof& proof, NodeReader& nodes) {
  invariant(differing_.has_value(), "a finished reorg takes no more proofs");
  const TreeIndex differing = differing_->index;
  const bool below = proof.index != differing && flat_tree::contains(differing, proof.index);
  if (!below || proof.nodes.size() != flat_tree::depth(differing) - flat_tree::depth(proof.index) + 1)
    return ProtocolErrc::invalid_proof;
  // As a proof for a core whose only known node is the differing one.
  const Length end{flat_tree::blocks(differing).end.value};
  NoNodes none;
  Verifier verifier({}, TreeHead{head_.fork, end, {}, {*differing_}, {}}, std::nullopt, none, limits_);
  Proof whole;
  whole.hash = proof;
  if (auto checked = verifier.check(whole); !checked) return checked;
  learn(verifier.take().nodes);
  return narrow(nodes);
}

Reorg::Outcome Reorg::outcome() && {
  invariant(finished(), "the ancestor is known");
  return {ancestor_, std::move(head_), std::move(nodes_), std::move(manifest_)};
}

Result<Comparison> compare(const UpgradeProof& proof, const TreeHead& own,
                           const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                           const Limits& limits) {
  if (proof.start.value != 0 || proof.length.value == 0 || proof.length > own.length)
    return ProtocolErrc::refused;
  NoNodes none;
  Verifier verifier(key, TreeHead{own.fork, {}, {}, {}, {}}, manifest, none, limits);
  Proof whole;
  whole.upgrade = proof;
  if (!verifier.check(whole)) return Comparison::invalid;
  const auto ours = head_at(own, proof.length, nodes);
  if (!ours) return ours.error();
  // From 0, the nodes of an upgrade are the roots of its length.
  return std::ranges::equal(ours->roots, proof.nodes) ? Comparison::equal : Comparison::conflict;
}

Comparison compare(const UpgradeProof& one, const UpgradeProof& other, Fork fork, const Manifest* sent,
                   const std::optional<Manifest>& manifest, const CoreKey& key, const Limits& limits) {
  NoNodes none;
  for (const UpgradeProof* proof : {&one, &other}) {
    if (proof->start.value != 0 || proof->length.value == 0 || proof->length != one.length)
      return Comparison::invalid;
    Proof whole;
    whole.upgrade = *proof;
    if (!verify(whole, sent, TreeHead{fork, {}, {}, {}, {}}, manifest, key, none, limits))
      return Comparison::invalid;
  }
  return std::ranges::equal(one.nodes, other.nodes) ? Comparison::equal : Comparison::conflict;
}

}  // namespace sheaf
