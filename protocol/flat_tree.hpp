// Arithmetic of the flat in-order tree: block i is leaf 2i, a parent sits between its children.
//
// Format: docs/wire.md, Log. Everything is constexpr and 64-bit. Requires: indexes of at most
// max_wire_integer; what climbs from there (parent, sibling) may exceed it and is for the caller to check.
#pragma once

#include <bit>
#include <vector>

#include "sheaf/protocol/units.hpp"

namespace sheaf::flat_tree {

// The longest core whose leaves have indexes that travel.
inline constexpr Length longest{max_wire_integer / 2};

constexpr unsigned depth(TreeIndex x) { return static_cast<unsigned>(std::countr_one(x.value)); }
constexpr std::uint64_t offset(TreeIndex x) { return x.value >> (depth(x) + 1); }
constexpr TreeIndex index(unsigned depth, std::uint64_t offset) {
  return {(((offset << 1) + 1) << depth) - 1};
}

constexpr TreeIndex leaf(BlockIndex block) { return {2 * block.value}; }
constexpr bool is_leaf(TreeIndex x) { return (x.value & 1) == 0; }

constexpr TreeIndex parent(TreeIndex x) { return index(depth(x) + 1, offset(x) >> 1); }
constexpr TreeIndex sibling(TreeIndex x) { return index(depth(x), offset(x) ^ 1); }
constexpr bool is_left_child(TreeIndex x) { return (offset(x) & 1) == 0; }

// Requires: not a leaf.
constexpr TreeIndex left_child(TreeIndex x) { return {x.value - (std::uint64_t{1} << (depth(x) - 1))}; }
constexpr TreeIndex right_child(TreeIndex x) { return {x.value + (std::uint64_t{1} << (depth(x) - 1))}; }

// The first and the last leaf below a node.
constexpr TreeIndex left_span(TreeIndex x) { return {x.value - ((std::uint64_t{1} << depth(x)) - 1)}; }
constexpr TreeIndex right_span(TreeIndex x) { return {x.value + ((std::uint64_t{1} << depth(x)) - 1)}; }
constexpr Length leaves(TreeIndex x) { return {std::uint64_t{1} << depth(x)}; }
constexpr BlockRange blocks(TreeIndex x) {
  const BlockIndex first{left_span(x).value / 2};
  return {first, first + leaves(x)};
}
constexpr bool contains(TreeIndex x, TreeIndex y) { return left_span(x) <= y && y <= right_span(x); }
// All of a node's blocks lie below this length.
constexpr bool within(TreeIndex x, Length length) { return blocks(x).end <= end_of(length); }

// The node that comes next on the way from one length to a longer one: the largest subtree that starts
// where `length` ends and ends at `to` or before. The nodes of that way are the roots of `to` when it starts
// at 0. Requires: length < to <= longest.
constexpr TreeIndex next_root(Length length, Length to) {
  const auto fits = static_cast<unsigned>(std::bit_width(to.value - length.value)) - 1;
  const auto aligned = static_cast<unsigned>(std::countr_zero(length.value));  // 64 for length 0
  const unsigned d = fits < aligned ? fits : aligned;
  return index(d, length.value >> d);
}

// The roots of a core of this length, left to right. Requires: length <= longest.
inline std::vector<TreeIndex> roots(Length length) {
  std::vector<TreeIndex> out;
  for (Length at{}; at < length; at = at + leaves(out.back())) out.push_back(next_root(at, length));
  return out;
}

// The root of a core of this length under which a node lies. Requires: the node is within the length.
constexpr TreeIndex root_over(TreeIndex x, Length length) {
  while (within(parent(x), length)) x = parent(x);
  return x;
}

}  // namespace sheaf::flat_tree
