#include "protocol/merkle.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "protocol/signables.hpp"
#include "tests/support/log_world.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using test::LogWriter;

namespace {

std::vector<Buffer> rule_blocks(std::uint64_t count) {
  std::vector<Buffer> out;
  for (std::uint64_t i = 0; i < count; ++i) out.push_back(test::rule_block(i));
  return out;
}

std::vector<Bytes> views(const std::vector<Buffer>& blocks) { return {blocks.begin(), blocks.end()}; }

Seed writer_seed(const nlohmann::json& tree) { return test::unhex_as<Seed>(tree["writerSeed"]); }

}  // namespace

TEST_CASE("merkle: leaves, nodes, tree hashes and signatures of tree.json for every length") {
  const auto tree = test::vectors("wire/tree.json");
  LogWriter writer(crypto::key_pair(writer_seed(tree)));
  REQUIRE(to_hex(writer.key.bytes()) == tree["key"]);
  Buffer manifest;
  encode_manifest(*writer.manifest, manifest);
  CHECK(to_hex(manifest) == tree["manifest"]);
  for (const auto& block : tree["blocks"]) {
    const Buffer bytes = test::rule_block(block["index"]);
    CHECK(to_hex(bytes) == block["hex"]);
    CHECK(to_string(leaf_hash(bytes)) == block["leaf"]);
  }
  for (const auto& entry : tree["lengths"]) {
    const std::uint64_t length = entry["length"];
    if (length > 0) writer.append(1);
    CHECK(writer.head.length.value == length);
    CHECK(writer.head.byte_length.value == entry["byteLength"]);
    CHECK(to_string(tree_hash(writer.head)) == entry["treeHash"]);
    if (!entry["signature"].is_null()) CHECK(to_hex(writer.head.signature) == entry["signature"]);
    if (length > 0) CHECK(verify_head(writer.head, writer.manifest, writer.key));
  }
  std::size_t nodes = 0;
  for (const auto& node : tree["nodes"]) {
    const auto at = writer.nodes.nodes.find(TreeIndex{node["index"]});
    REQUIRE(at != writer.nodes.nodes.end());
    CHECK(at->second.size.value == node["size"]);
    CHECK(to_string(at->second.hash) == node["hash"]);
    ++nodes;
  }
  CHECK(nodes == writer.nodes.nodes.size());
  MESSAGE(tree["lengths"].size(), " lengths, ", nodes, " nodes");
}

TEST_CASE("merkle: appending in batches of any size makes the same tree as block by block") {
  const auto blocks = rule_blocks(40);
  const auto all = views(blocks);
  for (std::size_t step = 1; step <= 40; ++step) {
    TreeHead head;
    test::MapNodes nodes;
    for (std::size_t at = 0; at < all.size(); at += step) {
      const auto made = append_blocks(head, std::span(all).subspan(at, std::min(step, all.size() - at)));
      REQUIRE(made.has_value());
      nodes.put(made->nodes);
      head = made->head;
    }
    const auto whole = append_blocks({}, all);
    REQUIRE(head == whole->head);
    REQUIRE(nodes.nodes.size() == whole->nodes.size());
  }
}

TEST_CASE("merkle: seeks of tree.json, and every byte of a core") {
  const auto tree = test::vectors("wire/tree.json");
  LogWriter writer(crypto::key_pair(writer_seed(tree)));
  writer.append(33);
  for (const auto& entry : tree["seeks"]) {
    const auto found = seek({entry["bytes"]}, writer.head, writer.nodes);
    REQUIRE((found && *found && (*found)->found));
    CHECK((*found)->block.value == entry["result"][0]);
    CHECK((*found)->offset.value == entry["result"][1]);
  }
  CHECK_FALSE(seek({writer.head.byte_length.value + 1}, writer.head, writer.nodes)->has_value());

  std::uint64_t start = 0;
  for (std::uint64_t block = 0; block < 33; ++block) {
    CHECK(byte_offset(flat_tree::leaf({block}), writer.head, writer.nodes)->value == start);
    for (std::uint64_t inside = 0; inside < writer.blocks[block].size(); ++inside) {
      const auto found = seek({start + inside}, writer.head, writer.nodes);
      // Where an empty block lies before, the byte is found at either block's start.
      const bool here = (*found)->block.value == block && (*found)->offset.value == inside;
      const bool at_empty = inside == 0 && block == 8 && (*found)->block.value == 7;
      CHECK((here || at_empty));
    }
    start += writer.blocks[block].size();
  }
  for (std::uint64_t index = 0; index < 65; ++index) {
    const TreeIndex x{index};
    if (!flat_tree::within(x, writer.head.length)) {
      CHECK(byte_offset(x, writer.head, writer.nodes).error() == ProtocolErrc::refused);
      continue;
    }
    CHECK(*byte_offset(x, writer.head, writer.nodes) ==
          *byte_offset(flat_tree::left_span(x), writer.head, writer.nodes));
  }
  MESSAGE(tree["seeks"].size(), " seeks of the vectors, ", start, " bytes");
}

TEST_CASE("merkle: padding does not count when bytes are sought") {
  TreeHead head;
  test::MapNodes nodes;
  std::vector<Buffer> blocks;
  for (std::size_t size : {3, 0, 5, 1, 9}) blocks.emplace_back(size + 8);
  const auto made = append_blocks(head, views(blocks));
  nodes.put(made->nodes);
  const ByteCount padding{8};
  const auto at = [&](std::uint64_t byte) {
    const auto found = seek({byte}, made->head, nodes, padding);
    return std::pair((*found)->block.value, (*found)->offset.value);
  };
  using Place = std::pair<std::uint64_t, std::uint64_t>;
  CHECK(at(0) == Place{0, 0});
  CHECK(at(2) == Place{0, 2});
  CHECK(at(7) == Place{2, 4});
  CHECK(at(8) == Place{3, 0});
  CHECK(at(17) == Place{4, 8});
  CHECK(at(18) == Place{5, 0});
  CHECK(byte_offset(flat_tree::leaf({3}), made->head, nodes, padding)->value == 8);
  // A padding that no block can have is refused, not wrapped.
  CHECK(seek({1}, made->head, nodes, {14}).error() == ProtocolErrc::refused);
  CHECK(seek({1}, made->head, nodes, {max_wire_integer}).error() == ProtocolErrc::refused);
}

TEST_CASE("merkle: a seek stops where sizes are not known, and passes the store's error on") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  test::MapNodes sparse;
  const auto unknown = seek({30}, writer.head, sparse);
  REQUIRE((unknown && *unknown));
  CHECK_FALSE((*unknown)->found);
  CHECK((*unknown)->under == TreeIndex{7});
  CHECK((*unknown)->offset.value == 30);
  sparse.put(std::vector{writer.nodes.nodes.at({3})});
  CHECK((*seek({30}, writer.head, sparse))->under == TreeIndex{3});
  CHECK((*seek({50}, writer.head, sparse))->under == TreeIndex{11});

  sparse.failure = make_error_code(boost::system::errc::io_error);
  CHECK(seek({30}, writer.head, sparse).error() == boost::system::errc::io_error);
  CHECK(byte_offset({4}, writer.head, sparse).error() == boost::system::errc::io_error);
  CHECK(head_at(writer.head, {5}, sparse).error() == boost::system::errc::io_error);
}

TEST_CASE("merkle: a head of a shorter length is the one that was") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(33);
  for (std::uint64_t length = 1; length <= 33; ++length) {
    const auto head = head_at(writer.head, {length}, writer.nodes);
    REQUIRE(head.has_value());
    CHECK(head->roots == writer.states.at({0, length}).roots);
    CHECK(head->byte_length == writer.states.at({0, length}).byte_length);
  }
  test::MapNodes none;
  CHECK(head_at(writer.head, {5}, none).error() == ProtocolErrc::missing_node);
}

TEST_CASE("merkle: nodes that span a cut are named, and no others") {
  for (std::uint64_t old = 0; old < 40; ++old) {
    for (std::uint64_t length = 0; length <= old; ++length) {
      std::vector<std::uint64_t> expected, named;
      for (std::uint64_t x = 0; x < 2 * length; ++x) {
        const BlockRange blocks = flat_tree::blocks({x});
        if (blocks.end.value > length && blocks.end.value <= old) expected.push_back(x);
      }
      for (const TreeIndex x : nodes_across({length}, {old})) named.push_back(x.value);
      std::ranges::sort(named);
      REQUIRE(named == expected);
    }
  }
}

TEST_CASE("merkle: lengths and sizes past the wire's integers are refused") {
  std::vector<TreeNode> made;
  TreeHead head;
  const Hash hash{};
  REQUIRE(append_root(head, {{0}, {max_wire_integer}, hash}, made));
  CHECK(append_root(head, {{2}, {1}, hash}, made).error() == ProtocolErrc::malformed);
  TreeHead other;
  CHECK(append_root(other, {{0}, {max_wire_integer + 1}, hash}, made).error() == ProtocolErrc::malformed);
  CHECK(append_root(other, {{max_wire_integer + 1}, {1}, hash}, made).error() == ProtocolErrc::malformed);
  CHECK(append_root(other, {{2}, {1}, hash}, made).error() == ProtocolErrc::invalid_proof);
  CHECK(append_root(other, {{max_wire_integer}, {1}, hash}, made).error() == ProtocolErrc::malformed);
  CHECK(parent_of({{0}, {max_wire_integer}, hash}, {{2}, {1}, hash}).error() == ProtocolErrc::malformed);
  // The longest core ends one leaf before the last index that travels.
  TreeHead longest{{}, {flat_tree::longest.value}, {}, {}, {}};
  const Buffer block(1);
  const Bytes view = block;
  CHECK(append_blocks(longest, std::span(&view, 1)).error() == ProtocolErrc::refused);
  TreeHead full{{}, {1}, {max_wire_integer}, {{{0}, {max_wire_integer}, hash}}, {}};
  CHECK(append_blocks(full, std::span(&view, 1)).error() == ProtocolErrc::refused);
}

TEST_CASE("merkle: the overlay answers before what lies below, and keeps one node an index") {
  test::MapNodes below;
  below.put(std::vector{TreeNode{{2}, {5}, {}}});
  NodeOverlay overlay(below);
  CHECK(overlay.find({2}) == nullptr);
  CHECK(*overlay.node({2}) == TreeNode{{2}, {5}, {}});
  CHECK_FALSE(overlay.node({4})->has_value());
  for (std::uint64_t i = 0; i < 1000; ++i) overlay.put({{2 * i}, {i}, {}});
  for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE((*overlay.node({2 * i}))->size.value == i);
  overlay.put({{4}, {77}, {}});
  CHECK(overlay.find({4})->size.value == 77);
  CHECK(overlay.added().size() == 1000);
  CHECK(overlay.take().size() == 1000);
  CHECK(overlay.find({4}) == nullptr);
  CHECK(overlay.added().empty());
}
