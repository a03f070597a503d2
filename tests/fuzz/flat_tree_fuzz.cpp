// F12: the arithmetic of the flat tree against a tree that is walked from its top.
#include "protocol/flat_tree.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

// A node found by going down from a tree over 2^52 blocks, in which every index that travels lies.
struct Walked {
  std::uint64_t index = (std::uint64_t{1} << 52) - 1;
  std::uint64_t first = 0;                       // block
  std::uint64_t count = std::uint64_t{1} << 52;  // blocks
  unsigned depth = 52;
  std::uint64_t parent = 0;
  std::uint64_t sibling = 0;

  void down(bool right) {
    const std::uint64_t half = count / 2;
    parent = index;
    sibling = 2 * (first + (right ? 0 : half)) + half - 1;
    if (right) first += half;
    count = half;
    --depth;
    index = 2 * first + count - 1;
  }
};

void check_node(std::uint64_t wanted) {
  Walked walked;
  while (walked.index != wanted) walked.down(wanted > walked.index);
  const TreeIndex x{wanted};
  expect(flat_tree::depth(x) == walked.depth);
  expect(flat_tree::offset(x) == walked.first / walked.count);
  expect(flat_tree::index(walked.depth, walked.first / walked.count) == x);
  expect(flat_tree::leaves(x).value == walked.count);
  expect(flat_tree::left_span(x).value == 2 * walked.first);
  expect(flat_tree::right_span(x).value == 2 * (walked.first + walked.count) - 2);
  const BlockRange blocks{{walked.first}, {walked.first + walked.count}};
  expect(flat_tree::blocks(x) == blocks);
  expect(flat_tree::is_leaf(x) == (walked.depth == 0));
  if (walked.depth < 52) {
    expect(flat_tree::parent(x).value == walked.parent);
    expect(flat_tree::sibling(x).value == walked.sibling);
    expect(flat_tree::is_left_child(x) == (wanted < walked.parent));
    const TreeIndex same = flat_tree::is_left_child(x) ? flat_tree::left_child({walked.parent})
                                                       : flat_tree::right_child({walked.parent});
    expect(same == x);
  }
}

// Walks the roots of a length by taking away its highest power of two.
void check_roots(std::uint64_t length) {
  std::vector<TreeIndex> expected;
  std::uint64_t first = 0;
  for (std::uint64_t left = length; left > 0;) {
    std::uint64_t power = 1;
    while (power <= left / 2) power *= 2;
    expected.push_back({2 * first + power - 1});
    first += power;
    left -= power;
  }
  expect(flat_tree::roots({length}) == expected);
  if (length == 0) return;
  for (const TreeIndex root : expected) {
    expect(flat_tree::within(root, {length}));
    expect(!flat_tree::within(flat_tree::parent(root), {length}));
    expect(flat_tree::root_over(flat_tree::left_span(root), {length}) == root);
    expect(flat_tree::root_over(flat_tree::right_span(root), {length}) == root);
  }
}

// The way between two lengths: each step a subtree as large as fits, and no step leaves out a block.
void check_way(std::uint64_t from, std::uint64_t to) {
  std::uint64_t at = from;
  while (at < to) {
    const TreeIndex next = flat_tree::next_root({at}, {to});
    const BlockRange blocks = flat_tree::blocks(next);
    expect(blocks.begin.value == at && blocks.end.value <= to);
    const BlockRange larger = flat_tree::blocks(flat_tree::parent(next));
    expect(larger.begin.value < at || larger.end.value > to);
    at = blocks.end.value;
  }
  expect(at == to);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  while (choices.left()) {
    const unsigned shift = choices.byte() % 53;
    const std::uint64_t a = (choices.number() & max_wire_integer) >> shift;
    const std::uint64_t b = (choices.number() & max_wire_integer) >> shift;
    if (a < max_wire_integer) check_node(a);
    check_roots(a / 2);
    check_way(std::min(a, b) / 2, std::max(a, b) / 2);
    expect(flat_tree::contains({a}, {b}) ==
           (flat_tree::left_span({a}).value <= b && b <= flat_tree::right_span({a}).value));
  }
  return 0;
}
