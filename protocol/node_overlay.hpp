// Nodes verified just now, lying over those already stored: what a batch of proofs adds as it goes.
//
// Reads look here first, then in the roots of the head, then below. Nothing is written below. An
// open-addressed table over one vector, so that a batch of small blocks costs few allocations.
#pragma once

#include <span>
#include <vector>

#include "protocol/merkle.hpp"

namespace sheaf {

class NodeOverlay final : public NodeReader {
 public:
  explicit NodeOverlay(NodeReader& below) : below_(&below) {}

  Result<std::optional<TreeNode>> node(TreeIndex index) override;
  // The node if it is in the overlay itself; stale after put().
  const TreeNode* find(TreeIndex index) const;
  // A node of the same index is replaced.
  void put(const TreeNode& node);
  // In the order they first came.
  const std::vector<TreeNode>& added() const { return nodes_; }
  std::vector<TreeNode> take();

 private:
  std::size_t slot_of(TreeIndex index) const;
  void grow();

  NodeReader* below_;
  std::vector<TreeNode> nodes_;
  std::vector<std::uint32_t> slots_;  // position in nodes_ plus one; 0: free
};

}  // namespace sheaf
