#include "protocol/merkle.hpp"

#include <algorithm>

#include "protocol/flat_tree.hpp"
#include "protocol/signables.hpp"

namespace sheaf {

Result<TreeNode> read_node(TreeIndex index, const TreeHead& head, NodeReader& nodes) {
  for (const TreeNode& root : head.roots)
    if (root.index == index) return root;
  const auto found = nodes.node(index);
  if (!found) return found.error();
  if (!*found) return ProtocolErrc::missing_node;
  return **found;
}

Result<ByteCount> size_without(ByteCount padding, const TreeNode& node) {
  const std::uint64_t leaves = flat_tree::leaves(node.index).value;
  if (padding.value > node.size.value / leaves) return ProtocolErrc::refused;
  return ByteCount{node.size.value - padding.value * leaves};
}

Hash tree_hash(const TreeHead& head) { return tree_hash(std::span<const TreeNode>(head.roots)); }

Result<TreeNode> parent_of(const TreeNode& a, const TreeNode& b) {
  const bool ordered = a.index < b.index;
  const TreeNode& left = ordered ? a : b;
  const TreeNode& right = ordered ? b : a;
  if (left.size.value > max_wire_integer - right.size.value) return ProtocolErrc::malformed;
  return TreeNode{flat_tree::parent(left.index), left.size + right.size, parent_hash(left, right)};
}

Result<void> append_root(TreeHead& head, const TreeNode& node, std::vector<TreeNode>& made) {
  if (node.index.value > max_wire_integer || node.size.value > max_wire_integer)
    return ProtocolErrc::malformed;
  const BlockRange blocks = flat_tree::blocks(node.index);
  if (blocks.begin != end_of(head.length)) return ProtocolErrc::invalid_proof;
  if (blocks.end > end_of(flat_tree::longest)) return ProtocolErrc::malformed;
  if (head.byte_length.value > max_wire_integer - node.size.value) return ProtocolErrc::malformed;

  head.length = {blocks.end.value};
  head.byte_length = head.byte_length + node.size;
  head.roots.push_back(node);
  made.push_back(node);
  while (head.roots.size() > 1) {
    const TreeNode& last = head.roots.back();
    const TreeNode& before = head.roots[head.roots.size() - 2];
    if (flat_tree::sibling(last.index) != before.index) break;
    const auto parent = parent_of(before, last);
    if (!parent) return parent.error();
    head.roots.pop_back();
    head.roots.back() = *parent;
    made.push_back(*parent);
  }
  return {};
}

Result<Appended> append_blocks(const TreeHead& head, std::span<const Bytes> blocks) {
  if (blocks.size() > (flat_tree::longest - head.length).value) return ProtocolErrc::refused;
  Appended out{head, {}};
  out.head.signature.clear();
  out.nodes.reserve(2 * blocks.size());
  std::vector<Hash> hashes(blocks.size());
  leaf_hashes(blocks, hashes);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const TreeNode leaf{flat_tree::leaf(end_of(out.head.length)), {blocks[i].size()}, hashes[i]};
    if (!append_root(out.head, leaf, out.nodes)) return ProtocolErrc::refused;
  }
  return out;
}

Result<TreeHead> head_at(const TreeHead& head, Length length, NodeReader& nodes) {
  TreeHead out{head.fork, length, {}, {}, {}};
  for (const TreeIndex index : flat_tree::roots(length)) {
    const auto root = read_node(index, head, nodes);
    if (!root) return root.error();
    out.roots.push_back(*root);
    out.byte_length = out.byte_length + root->size;
  }
  return out;
}

std::vector<TreeIndex> nodes_across(Length length, Length old) {
  std::vector<TreeIndex> out;
  if (length.value == 0 || old <= length) return out;
  const TreeIndex cut = flat_tree::leaf(end_of(length));
  for (TreeIndex x{cut.value - 2}; flat_tree::within(x, old); x = flat_tree::parent(x))
    if (flat_tree::contains(x, cut) && x < cut) out.push_back(x);
  return out;
}

Result<ByteCount> byte_offset(TreeIndex index, const TreeHead& head, NodeReader& nodes, ByteCount padding) {
  if (index.value > max_wire_integer || !flat_tree::within(index, head.length)) return ProtocolErrc::refused;
  const TreeIndex first = flat_tree::left_span(index);
  ByteCount offset;
  for (const TreeNode& root : head.roots) {
    if (!flat_tree::contains(root.index, first)) {
      const auto size = size_without(padding, root);
      if (!size) return size.error();
      offset = offset + *size;
      continue;
    }
    for (TreeIndex x = root.index; flat_tree::left_span(x) != first;) {
      if (first < x) {
        x = flat_tree::left_child(x);
        continue;
      }
      const auto left = read_node(flat_tree::left_child(x), head, nodes);
      if (!left) return left.error();
      const auto size = size_without(padding, *left);
      if (!size) return size.error();
      offset = offset + *size;
      x = flat_tree::right_child(x);
    }
    return offset;
  }
  return ProtocolErrc::refused;
}

Result<std::optional<Sought>> seek(ByteCount bytes, const TreeHead& head, NodeReader& nodes,
                                   ByteCount padding) {
  const auto found = [](BlockIndex block, ByteCount offset) {
    return std::optional(Sought{flat_tree::leaf(block), block, offset, true});
  };
  if (bytes.value == 0) return found({}, {});
  for (const TreeNode& root : head.roots) {
    const auto size = size_without(padding, root);
    if (!size) return size.error();
    if (bytes == *size) return found(flat_tree::blocks(root.index).end, {});
    if (bytes > *size) {
      bytes = bytes - *size;
      continue;
    }
    TreeIndex x = root.index;
    while (!flat_tree::is_leaf(x)) {
      const auto left = nodes.node(flat_tree::left_child(x));
      if (!left) return left.error();
      if (!*left) return std::optional(Sought{x, flat_tree::blocks(x).begin, bytes, false});
      const auto left_size = size_without(padding, **left);
      if (!left_size) return left_size.error();
      if (bytes == *left_size) return found(flat_tree::blocks((*left)->index).end, {});
      if (bytes < *left_size) {
        x = flat_tree::left_child(x);
      } else {
        bytes = bytes - *left_size;
        x = flat_tree::right_child(x);
      }
    }
    return found(flat_tree::blocks(x).begin, bytes);
  }
  return std::optional<Sought>{};
}

}  // namespace sheaf
