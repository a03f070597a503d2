#include "protocol/prover.hpp"

#include <algorithm>

#include "protocol/flat_tree.hpp"

namespace sheaf {
namespace {

// The block or node that a request is about; `value` says that the leaf itself need not be sent.
struct Subject {
  TreeIndex index;
  std::uint64_t nodes;
  bool value;
};

std::optional<Subject> subject_of(const ProofRequest& request) {
  if (request.block) return Subject{flat_tree::leaf(request.block->index), request.block->nodes, true};
  if (request.hash) return Subject{request.hash->index, request.hash->nodes, false};
  return std::nullopt;
}

class Prover {
 public:
  Prover(const ProofRequest& request, const TreeHead& head, NodeReader& nodes)
      : request_(request), head_(head), nodes_(nodes), subject_(subject_of(request)) {}

  Result<Proof> produce(Length prologue) {
    if (head_.length.value == 0) return Proof{};
    if (auto checked = settle_upgrade(prologue); !checked) return checked.error();
    if (auto checked = settle_subject(); !checked) return checked.error();

    std::optional<TreeIndex> target;  // what the upgrade part gives a path to
    if (subject_ && !subject_inside_) {
      if (auto made = subtree_part(); !made) return made.error();
    } else if (upgrade_ && request_.seek) {
      const auto found = seek_from_head();
      if (!found) return found.error();
      target = *found;
    } else if (subject_) {
      target = subject_->index;
    }
    if (upgrade_)
      if (auto made = upgrade_part(target); !made) return made.error();
    return std::move(proof_);
  }

 private:
  Result<TreeNode> read(TreeIndex index) { return read_node(index, head_, nodes_); }

  Result<void> push(TreeIndex index, std::vector<TreeNode>& to) {
    const auto node = read(index);
    if (!node) return node.error();
    to.push_back(*node);
    return {};
  }

  Result<ByteCount> counted(const TreeNode& node) const { return size_without(request_.seek->padding, node); }

  // Where the answer's upgrade begins and ends, and whether it can be had at all.
  Result<void> settle_upgrade(Length prologue) {
    upgrade_ = request_.upgrade;
    to_ = head_.length;
    if (!upgrade_) return {};
    if (upgrade_->start < prologue) {
      // A block past the prologue comes with a later answer.
      upgrade_ = UpgradeRequest{{}, prologue};
      if (subject_ && flat_tree::blocks(subject_->index).begin >= end_of(prologue)) subject_.reset();
    }
    if (upgrade_->length.value == 0 || upgrade_->length > head_.length ||
        upgrade_->start > head_.length - upgrade_->length)
      return ProtocolErrc::refused;
    to_ = upgrade_->start + upgrade_->length;
    return {};
  }

  Result<void> settle_subject() {
    if (!subject_) return {};
    if (subject_->index.value > max_wire_integer || !flat_tree::within(subject_->index, to_))
      return ProtocolErrc::refused;
    if (!upgrade_) return {};
    const BlockRange blocks = flat_tree::blocks(subject_->index);
    subject_inside_ = blocks.begin >= end_of(upgrade_->start);
    const bool across = !subject_inside_ && blocks.end > end_of(upgrade_->start);
    if (across || (request_.seek && subject_->index >= flat_tree::leaf(end_of(upgrade_->start))))
      return ProtocolErrc::refused;
    return {};
  }

  // The subject's path to a node that the asker has.
  Result<void> subtree_part() {
    TreeIndex top = subject_->index;
    for (std::uint64_t i = 0; i < subject_->nodes; ++i) {
      top = flat_tree::parent(top);
      if (!flat_tree::within(top, to_)) return ProtocolErrc::refused;
    }
    std::optional<TreeIndex> sought;
    if (request_.seek) {
      const auto found = seek_below(top);
      if (!found) return found.error();
      sought = *found;
    }
    return path(top, sought);
  }

  // From the subject up to `top`: its siblings, except that the one above a sought node becomes the seek
  // part.
  Result<void> path(TreeIndex top, std::optional<TreeIndex> sought) {
    std::vector<TreeNode>* list = nullptr;
    if (subject_->value) {
      list = &proof_.block.emplace(BlockProof{request_.block->index, {}, {}}).nodes;
    } else {
      list = &proof_.hash.emplace(HashProof{subject_->index, {}}).nodes;
      if (auto pushed = push(subject_->index, *list); !pushed) return pushed.error();
    }
    for (TreeIndex x = subject_->index; x != top; x = flat_tree::parent(x)) {
      const TreeIndex sibling = flat_tree::sibling(x);
      const bool leads_there = sought && flat_tree::contains(sibling, *sought) && sibling != *sought;
      auto made = leads_there ? seek_part(*sought, sibling) : push(sibling, *list);
      if (!made) return made.error();
    }
    return {};
  }

  Result<void> seek_part(TreeIndex sought, TreeIndex top) {
    auto& list = proof_.seek.emplace(SeekProof{request_.seek->bytes, {}}).nodes;
    if (auto pushed = push(sought, list); !pushed) return pushed.error();
    for (TreeIndex x = sought; x != top; x = flat_tree::parent(x))
      if (auto pushed = push(flat_tree::sibling(x), list); !pushed) return pushed.error();
    return {};
  }

  // The roots that turn start into to, and from there the length that is signed. The one that holds the
  // target is left out: the target's path leads to it.
  Result<void> upgrade_part(std::optional<TreeIndex> target) {
    UpgradeProof upgrade{upgrade_->start, upgrade_->length, {}, {}, head_.signature};
    for (Length at = upgrade_->start; at < to_;) {
      const TreeIndex root = flat_tree::next_root(at, to_);
      at = at + flat_tree::leaves(root);
      Result<void> made;
      if (!target || !flat_tree::contains(root, *target))
        made = push(root, upgrade.nodes);
      else
        made = subject_inside_ ? path(root, std::nullopt) : seek_part(*target, root);
      if (!made) return made.error();
    }
    for (Length at = to_; at < head_.length;) {
      const TreeIndex root = flat_tree::next_root(at, head_.length);
      at = at + flat_tree::leaves(root);
      if (auto pushed = push(root, upgrade.additional); !pushed) return pushed.error();
    }
    proof_.upgrade = std::move(upgrade);
    return {};
  }

  // The smallest node at hand below `root` that holds the byte, or ends just before it.
  Result<TreeIndex> descend(TreeIndex root, ByteCount bytes) {
    if (bytes.value == 0) return root;
    TreeIndex x = root;
    while (!flat_tree::is_leaf(x)) {
      const auto left = nodes_.node(flat_tree::left_child(x));
      if (!left) return left.error();
      if (!*left) return x;
      const auto size = counted(**left);
      if (!size) return size.error();
      if (*size == bytes) return (*left)->index;
      if (bytes < *size) {
        x = flat_tree::left_child(x);
      } else {
        bytes = bytes - *size;
        x = flat_tree::right_child(x);
      }
    }
    return x;
  }

  Result<TreeIndex> seek_below(TreeIndex top) {
    const auto offset = byte_offset(top, head_, nodes_, request_.seek->padding);
    if (!offset) return offset.error();
    if (*offset > request_.seek->bytes) return ProtocolErrc::refused;
    const ByteCount bytes = request_.seek->bytes - *offset;
    if (bytes.value == 0) return top;
    const auto node = read(top);
    if (!node) return node.error();
    const auto size = counted(*node);
    if (!size) return size.error();
    if (bytes >= *size) return ProtocolErrc::refused;
    return descend(top, bytes);
  }

  // Nothing when the byte lies past the upgrade.
  Result<std::optional<TreeIndex>> seek_from_head() {
    ByteCount bytes = request_.seek->bytes;
    for (const TreeIndex index : flat_tree::roots(to_)) {
      const auto root = read(index);
      if (!root) return root.error();
      const auto size = counted(*root);
      if (!size) return size.error();
      if (bytes == *size) return std::optional(index);
      if (bytes > *size) {
        bytes = bytes - *size;
        continue;
      }
      const auto found = descend(index, bytes);
      if (!found) return found.error();
      return std::optional(*found);
    }
    return std::optional<TreeIndex>{};
  }

  const ProofRequest& request_;
  const TreeHead& head_;
  NodeReader& nodes_;
  std::optional<Subject> subject_;
  std::optional<UpgradeRequest> upgrade_;
  Length to_;
  bool subject_inside_ = false;  // it lies in what the upgrade brings
  Proof proof_;
};

}  // namespace

Result<Proof> produce(const ProofRequest& request, const TreeHead& head, Length prologue, NodeReader& nodes) {
  return Prover(request, head, nodes).produce(prologue);
}

bool answers(const Proof& proof, const ProofRequest& request) {
  if (proof.block && (!request.block || proof.block->index != request.block->index)) return false;
  if (proof.hash && (!request.hash || proof.hash->index != request.hash->index)) return false;
  if (proof.seek && (!request.seek || proof.seek->bytes != request.seek->bytes)) return false;
  if (!proof.upgrade) return true;
  if (!request.upgrade) return false;
  // A prologue makes any upgrade that begins inside it start at 0.
  return proof.upgrade->start == request.upgrade->start || proof.upgrade->start.value == 0;
}

}  // namespace sheaf
