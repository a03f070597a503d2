#include "engine/core/held_bytes.hpp"

#include <algorithm>
#include <vector>

#include "protocol/flat_tree.hpp"

namespace sheaf {
namespace {

// Of a subtree whose blocks are all held: its own node, or its children's where only those are known.
Result<std::uint64_t> bytes_under(TreeIndex top, const TreeHead& head, NodeReader& nodes) {
  std::uint64_t out = 0;
  std::vector<TreeIndex> left{top};
  while (!left.empty()) {
    const TreeIndex index = left.back();
    left.pop_back();
    const auto node = read_node(index, head, nodes);
    if (node) {
      out += node->size.value;
    } else if (node.error() == ProtocolErrc::missing_node && !flat_tree::is_leaf(index)) {
      left.push_back(flat_tree::right_child(index));
      left.push_back(flat_tree::left_child(index));
    } else {
      return node.error();
    }
  }
  return out;
}

}  // namespace

Result<ByteCount> held_bytes(BlockRange range, const Bitfield& have, const TreeHead& head,
                             NodeReader& nodes) {
  range.end = std::min(range.end, end_of(head.length));
  if (range.begin == BlockIndex{} && range.end == end_of(head.length) && have.count() == head.length)
    return head.byte_length;
  ByteCount out;
  while (range.begin < range.end) {
    const BlockRange run = have.next_run(range);
    for (Length at{run.begin.value}; at < Length{run.end.value};) {
      const TreeIndex top = flat_tree::next_root(at, Length{run.end.value});
      const auto bytes = bytes_under(top, head, nodes);
      if (!bytes) return bytes.error();
      out.value += *bytes;
      at = at + flat_tree::leaves(top);
    }
    range.begin = run.end;
  }
  return out;
}

}  // namespace sheaf
