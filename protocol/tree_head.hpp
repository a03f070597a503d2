// The signed state of a core: how long it is, on which fork, and the roots that say so.
//
// A plain value. `roots` are those of `length`, left to right; `byte_length` is the sum of their sizes;
// `signature` is the field as it is stored and sent (docs/wire.md, Log), empty while nobody has signed.
#pragma once

#include <vector>

#include "protocol/tree_node.hpp"

namespace sheaf {

struct TreeHead {
  Fork fork;
  Length length;
  ByteCount byte_length;
  std::vector<TreeNode> roots;
  Buffer signature;
  bool operator==(const TreeHead&) const = default;
};

// The tree hash, which is what a signature covers besides length and fork.
Hash tree_hash(const TreeHead& head);

}  // namespace sheaf
