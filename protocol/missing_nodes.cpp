#include "protocol/missing_nodes.hpp"

#include "protocol/flat_tree.hpp"

namespace sheaf {

Result<std::uint64_t> missing_nodes(TreeIndex node, Length length, NodeReader& nodes) {
  std::uint64_t count = 0;
  for (TreeIndex x = node; flat_tree::within(x, length); x = flat_tree::parent(x)) {
    const auto found = nodes.node(x);
    if (!found) return found.error();
    if (*found) return count;
    // A root is known even to a reader that keeps no roots.
    if (!flat_tree::within(flat_tree::parent(x), length)) return count;
    ++count;
  }
  return std::uint64_t{0};
}

std::uint64_t missing_nodes(TreeIndex node, Length length, const Bitfield& held) {
  if (!flat_tree::within(node, length)) return 0;
  std::uint64_t count = 0;
  if (held.any(flat_tree::blocks(node))) return 0;
  for (TreeIndex x = node; flat_tree::within(flat_tree::parent(x), length); x = flat_tree::parent(x)) {
    // The half of the parent that was not looked at yet.
    if (held.any(flat_tree::blocks(flat_tree::sibling(x)))) return count;
    ++count;
  }
  return count;
}

}  // namespace sheaf
