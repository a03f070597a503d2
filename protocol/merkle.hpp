// The Merkle tree of a core as it grows and as it is read: roots, appended blocks, bytes to blocks.
//
// Pure functions over heads and over a NodeReader, the door to whoever keeps the verified nodes. Formats:
// docs/wire.md, Log. Nothing here checks a signature.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "protocol/tree_head.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf {

// Reads verified nodes of one core's current tree. Absence is a value; an error is the store's and is
// passed through by everything that reads. Calls are made one at a time.
class NodeReader {
 public:
  virtual ~NodeReader() = default;
  virtual Result<std::optional<TreeNode>> node(TreeIndex index) = 0;
};

// A node that has to be there: a root of the head, or a stored one. Fails with missing_node.
Result<TreeNode> read_node(TreeIndex index, const TreeHead& head, NodeReader& nodes);

// A node's bytes when `padding` of each block do not count; refused when a block cannot be that short.
Result<ByteCount> size_without(ByteCount padding, const TreeNode& node);

// The node of two siblings, in either order; malformed when their bytes exceed 2^53 - 1.
Result<TreeNode> parent_of(const TreeNode& a, const TreeNode& b);

// Grows a head by one node and merges roots while the last two are siblings. `made` gets the node and
// every parent that came of it. The signature stays as it was. Fails with invalid_proof for a node that does
// not start where the head ends, and with malformed for lengths or bytes past 2^53 - 1; the head is then
// to be thrown away.
Result<void> append_root(TreeHead& head, const TreeNode& node, std::vector<TreeNode>& made);

struct Appended {
  TreeHead head;                // not signed yet
  std::vector<TreeNode> nodes;  // all that are new: leaves and parents
};

// What a head becomes when blocks are appended. Fails with refused past 2^52 - 1 blocks or 2^53 - 1 bytes.
Result<Appended> append_blocks(const TreeHead& head, std::span<const Bytes> blocks);

// The head a core had, or will have, at a shorter length: roots and byte length, unsigned, same fork.
// Fails with missing_node. Requires: length <= head.length.
Result<TreeHead> head_at(const TreeHead& head, Length length, NodeReader& nodes);

// The nodes that a core cut from `old` to `length` must forget although their indexes lie below the cut:
// they span it. All nodes from index 2 * length on are to be forgotten as well.
std::vector<TreeIndex> nodes_across(Length length, Length old);

// Bytes in front of the first block under a node. Fails with missing_node, and with refused for a node
// past the end. Each block counts `padding` bytes less than it has.
Result<ByteCount> byte_offset(TreeIndex index, const TreeHead& head, NodeReader& nodes,
                              ByteCount padding = {});

// Where a byte lies: in a block, or, as far as the nodes at hand tell, somewhere under a node.
struct Sought {
  TreeIndex under;   // a leaf when found
  BlockIndex block;  // the first block under it
  ByteCount offset;  // bytes from that block's start
  bool found;
};

// Narrows a byte position down as far as the nodes at hand allow (docs/wire.md, Log). The byte length itself
// is found as (length, 0); past it: nothing. Fails only with the store's errors and with malformed.
Result<std::optional<Sought>> seek(ByteCount bytes, const TreeHead& head, NodeReader& nodes,
                                   ByteCount padding = {});

}  // namespace sheaf
