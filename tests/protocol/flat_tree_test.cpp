#include "protocol/flat_tree.hpp"

#include <doctest/doctest.h>

#include "tests/support/vectors.hpp"

using namespace sheaf;

// A tree drawn by hand: levels over a power of two of leaves, numbered by walking in order.
namespace {

struct Drawn {
  std::uint64_t index, first_leaf, last_leaf, parent;
  unsigned depth;
};

std::uint64_t draw(std::uint64_t first_leaf, unsigned depth, std::vector<Drawn>& out) {
  if (depth == 0) {
    out.push_back({2 * first_leaf, 2 * first_leaf, 2 * first_leaf, 0, 0});
    return out.back().index;
  }
  const std::uint64_t half = std::uint64_t{1} << (depth - 1);
  const std::uint64_t left = draw(first_leaf, depth - 1, out);
  const std::uint64_t right = draw(first_leaf + half, depth - 1, out);
  const std::uint64_t index = 2 * (first_leaf + half) - 1;
  for (Drawn& node : out)
    if (node.index == left || node.index == right) node.parent = index;
  out.push_back({index, 2 * first_leaf, 2 * (first_leaf + 2 * half) - 2, 0, depth});
  return index;
}

}  // namespace

TEST_CASE("flat tree: every quantity of tree.json") {
  const auto tree = test::vectors("wire/tree.json");
  int checked = 0;
  for (const auto& node : tree["flatTree"]) {
    const TreeIndex x{node["index"]};
    CHECK(flat_tree::depth(x) == node["depth"]);
    CHECK(flat_tree::offset(x) == node["offset"]);
    CHECK(flat_tree::index(flat_tree::depth(x), flat_tree::offset(x)) == x);
    CHECK(flat_tree::parent(x).value == node["parent"]);
    CHECK(flat_tree::sibling(x).value == node["sibling"]);
    CHECK(flat_tree::left_span(x).value == node["leftSpan"]);
    CHECK(flat_tree::right_span(x).value == node["rightSpan"]);
    CHECK(flat_tree::leaves(x).value == node["leaves"]);
    CHECK(flat_tree::is_leaf(x) == node["children"].is_null());
    if (!flat_tree::is_leaf(x)) {
      CHECK(flat_tree::left_child(x).value == node["children"][0]);
      CHECK(flat_tree::right_child(x).value == node["children"][1]);
    }
    ++checked;
  }
  CHECK(checked == 15);
  MESSAGE(checked, " nodes");
}

TEST_CASE("flat tree: roots of every length of tree.json") {
  const auto tree = test::vectors("wire/tree.json");
  CHECK(tree["lengths"].size() == 34);
  for (const auto& entry : tree["lengths"]) {
    std::vector<std::uint64_t> roots;
    for (const TreeIndex root : flat_tree::roots({entry["length"]})) roots.push_back(root.value);
    CHECK(roots == entry["roots"].get<std::vector<std::uint64_t>>());
  }
}

TEST_CASE("flat tree: agrees with a tree drawn by hand") {
  std::vector<Drawn> drawn;
  draw(0, 9, drawn);
  for (const Drawn& node : drawn) {
    const TreeIndex x{node.index};
    REQUIRE(flat_tree::depth(x) == node.depth);
    REQUIRE(flat_tree::left_span(x).value == node.first_leaf);
    REQUIRE(flat_tree::right_span(x).value == node.last_leaf);
    if (node.parent != 0) REQUIRE(flat_tree::parent(x).value == node.parent);
    if (node.parent != 0) REQUIRE(flat_tree::sibling(flat_tree::sibling(x)) == x);
    for (std::uint64_t y = 0; y < 1024; y += 7)
      REQUIRE(flat_tree::contains(x, {y}) == (node.first_leaf <= y && y <= node.last_leaf));
  }
  MESSAGE(drawn.size(), " nodes");
}

TEST_CASE("flat tree: the way from one length to another is the one of the proofs' table") {
  const auto way = [](std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> out;
    for (Length at{from}; at < Length{to};) {
      const TreeIndex next = flat_tree::next_root(at, {to});
      out.push_back(next.value);
      at = at + flat_tree::leaves(next);
    }
    return out;
  };
  using List = std::vector<std::uint64_t>;
  CHECK(way(0, 13) == List{7, 19, 24});
  CHECK(way(1, 2) == List{2});
  CHECK(way(3, 5) == List{6, 8});
  CHECK(way(4, 8) == List{11});
  CHECK(way(5, 13) == List{10, 13, 19, 24});
  CHECK(way(5, 9) == List{10, 13, 16});
  CHECK(way(9, 13) == List{18, 21, 24});
  CHECK(way(12, 13) == List{24});
  CHECK(way(7, 7) == List{});
}

TEST_CASE("flat tree: holds above 32 bits and up to the longest core") {
  const TreeIndex high = flat_tree::index(40, 3);
  CHECK(flat_tree::depth(high) == 40);
  CHECK(flat_tree::offset(high) == 3);
  CHECK(flat_tree::leaves(high).value == std::uint64_t{1} << 40);
  CHECK(flat_tree::left_child(high) == flat_tree::index(39, 6));
  CHECK(flat_tree::parent(high) == flat_tree::index(41, 1));
  const auto roots = flat_tree::roots(flat_tree::longest);
  CHECK(roots.size() == 52);
  CHECK(roots.back() == flat_tree::leaf({flat_tree::longest.value - 1}));
  CHECK(flat_tree::root_over({0}, flat_tree::longest) == roots.front());
  static_assert(flat_tree::parent({0}) == TreeIndex{1});
  static_assert(flat_tree::next_root({}, {13}) == TreeIndex{7});
}
