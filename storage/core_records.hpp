// The stored form of a core's state records: compact encoding, each with a version in front.
#pragma once

#include <array>
#include <vector>

#include "protocol/tree_head.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::records {

// Byte length and the roots' indexes follow from the rest and are not stored.
Buffer encode_head(const TreeHead& head);
Result<TreeHead> decode_head(Bytes bytes);  // damaged

// A node's size and hash; its index is in the key. 40 bytes, on the stack.
struct NodeBytes {
  std::array<std::byte, 40> bytes;
};
NodeBytes encode_node(const TreeNode& node);
Result<TreeNode> decode_node(TreeIndex index, Bytes bytes);  // damaged

// What is left to be deleted after a change that was too large for one write: blocks of these ranges and
// nodes from an index on, but for those that the same change has stored.
struct Sweep {
  std::vector<BlockRange> blocks;
  std::vector<BlockIndex> kept_blocks;  // ascending
  bool nodes = false;
  TreeIndex first_node;
  std::vector<TreeIndex> kept_nodes;  // ascending
};
Buffer encode_sweep(const Sweep& sweep);
Result<Sweep> decode_sweep(Bytes bytes);  // damaged

// Both signed trees of a writer that signed two for one fork and length, each as a peer is shown it. They
// were verified before; what they say is not looked at here.
Buffer encode_conflict(const std::vector<Buffer>& trees);
Result<std::vector<Buffer>> decode_conflict(Bytes bytes);  // damaged

}  // namespace sheaf::records
