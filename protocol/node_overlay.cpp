#include "protocol/node_overlay.hpp"

#include <utility>

namespace sheaf {

// The slot that holds the index, or the free one where it belongs. Requires: a table with a free slot.
std::size_t NodeOverlay::slot_of(TreeIndex index) const {
  const std::size_t mask = slots_.size() - 1;
  // Fibonacci hashing: neighbours in the tree spread over the table.
  std::size_t at = static_cast<std::size_t>((index.value * 0x9e3779b97f4a7c15u) >> 32) & mask;
  while (slots_[at] != 0 && nodes_[slots_[at] - 1].index != index) at = (at + 1) & mask;
  return at;
}

void NodeOverlay::grow() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, 0);
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    slots_[slot_of(nodes_[i].index)] = static_cast<std::uint32_t>(i + 1);
}

const TreeNode* NodeOverlay::find(TreeIndex index) const {
  if (slots_.empty()) return nullptr;
  const std::uint32_t at = slots_[slot_of(index)];
  return at == 0 ? nullptr : &nodes_[at - 1];
}

Result<std::optional<TreeNode>> NodeOverlay::node(TreeIndex index) {
  if (const TreeNode* here = find(index)) return std::optional(*here);
  return below_->node(index);
}

void NodeOverlay::put(const TreeNode& node) {
  if ((nodes_.size() + 1) * 2 > slots_.size()) grow();
  const std::size_t slot = slot_of(node.index);
  if (slots_[slot] != 0) {
    nodes_[slots_[slot] - 1] = node;
    return;
  }
  nodes_.push_back(node);
  slots_[slot] = static_cast<std::uint32_t>(nodes_.size());
}

std::vector<TreeNode> NodeOverlay::take() {
  slots_.clear();
  return std::exchange(nodes_, {});
}

}  // namespace sheaf
