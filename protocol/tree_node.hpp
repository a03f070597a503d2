// One node of a core's Merkle tree: its place, the bytes below it, and its hash.
#pragma once

#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

struct TreeNode {
  TreeIndex index;
  ByteCount size;
  Hash hash;
  bool operator==(const TreeNode&) const = default;
};

}  // namespace sheaf
