// The `nodes` of a request: how many parents to climb until a node that we have verified.
//
// Format: docs/wire.md, Log. Asking for too few makes the answer useless, for too many is refused by the
// other side; so the number is exact as far as it can be known.
#pragma once

#include "protocol/bitfield.hpp"
#include "protocol/merkle.hpp"

namespace sheaf {

// By looking at the stored nodes. For a node past the end: 0. Fails with the store's errors.
Result<std::uint64_t> missing_nodes(TreeIndex node, Length length, NodeReader& nodes);
inline Result<std::uint64_t> missing_nodes(BlockIndex block, Length length, NodeReader& nodes) {
  return missing_nodes(TreeIndex{2 * block.value}, length, nodes);
}

// By the blocks held, without any read. Verifying a block stores its path to a root and all siblings on it,
// and an upgrade stores the right siblings of the last root's path; so a node is known when it is a root, or
// when a block under its parent is held. Never fewer than needed; more only where an upgrade from a shorter
// length, a seek, a hash proof or a clear left nodes without blocks, and then the answer is only longer.
std::uint64_t missing_nodes(TreeIndex node, Length length, const Bitfield& held);
inline std::uint64_t missing_nodes(BlockIndex block, Length length, const Bitfield& held) {
  return missing_nodes(TreeIndex{2 * block.value}, length, held);
}

}  // namespace sheaf
