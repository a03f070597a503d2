#include "protocol/bee_codec.hpp"

#include <doctest/doctest.h>

#include "tests/support/vectors.hpp"

using namespace sheaf;
using nlohmann::json;
using sheaf::test::unhex;
using sheaf::test::vectors;

namespace {

json hex_or_null(const std::optional<Buffer>& bytes) { return bytes ? json(to_hex(*bytes)) : json(); }

json value_of(const BeeHeader& header) {
  json out = {{"protocol", as_text(header.protocol)}, {"metadata", nullptr}};
  if (header.metadata)
    out["metadata"] = {{"contentFeed", hex_or_null(header.metadata->content_feed)},
                       {"userData", hex_or_null(header.metadata->user_data)}};
  return out;
}

json value_of(const BeeLevel& level) {
  json keys = json::array();
  for (const BlockIndex key : level.keys) keys.push_back(key.value);
  json children = json::array();
  for (const BeeChild& child : level.children) {
    children.push_back(child.block.value);
    children.push_back(child.offset);
  }
  return {{"keys", keys}, {"children", children}};
}

// The wire's form of a block with this index and an empty key.
Buffer around(Bytes index) {
  Buffer out = *from_hex("0a");
  out.push_back(static_cast<std::byte>(index.size()));
  append(out, index);
  append(out, *from_hex("1200"));
  return out;
}

}  // namespace

TEST_CASE("headers are read and written as hyperbee does") {
  for (const json& one : vectors("drive/bee-codec.json")["header"]) {
    const auto header = decode_bee_header(unhex(one["encoded"]));
    REQUIRE(header.has_value());
    CHECK(value_of(*header) == one["value"]);
    CHECK(to_hex(encode(*header)) == one["encoded"]);
  }
  CHECK(to_hex(encode(drive_header())) == "0a0868797065726265651200");
}

TEST_CASE("levels are read and written as hyperbee does") {
  for (const json& one : vectors("drive/bee-codec.json")["index"]) {
    const auto block = BeeBlock::decode(around(unhex(one["encoded"])));
    REQUIRE(block.has_value());
    const auto levels = block->all_levels();
    REQUIRE(levels.has_value());
    json value = json::array();
    for (const BeeLevel& level : *levels) value.push_back(value_of(level));
    CHECK(value == one["value"]["levels"]);
    CHECK(to_hex(encode_bee_index(*levels)) == one["encoded"]);
  }
}

TEST_CASE("blocks are read and written as hyperbee does") {
  for (const json& one : vectors("drive/bee-codec.json")["node"]) {
    const auto block = BeeBlock::decode(unhex(one["encoded"]));
    REQUIRE(block.has_value());
    CHECK(to_hex(block->key()) == one["value"]["key"]);
    CHECK(block->value().has_value() == !one["value"]["value"].is_null());
    if (block->value()) CHECK(to_hex(*block->value()) == one["value"]["value"]);
    CHECK(to_hex(encode_bee_block(*block->all_levels(), block->key(), block->value())) == one["encoded"]);
  }
}

TEST_CASE("odd blocks are taken or refused as hyperbee does, but nothing is cut short") {
  for (const json& one : vectors("drive/bee-codec.json")["odd"]) {
    const std::string what = one["what"];
    const Buffer bytes = unhex(one["bytes"]);
    const bool is_header = what.find("header") != std::string::npos;
    const bool good = !one["decoded"].is_null() && what.find("past the end") == std::string::npos;
    CAPTURE(what);
    if (is_header) {
      const auto header = decode_bee_header(bytes);
      CHECK(header.has_value() == good);
      if (good) CHECK(value_of(*header) == one["decoded"]);
      if (!good) CHECK(header.error() == ProtocolErrc::malformed);
    } else {
      const auto block = BeeBlock::decode(bytes);
      CHECK(block.has_value() == good);
      if (good) CHECK(to_hex(block->key()) == one["decoded"]["key"]);
      if (!good) CHECK(block.error() == ProtocolErrc::malformed);
    }
  }
}

TEST_CASE("a level that breaks the form of a tree node is malformed") {
  const auto refused = [](const BeeLevel& level, std::uint64_t self) {
    const auto block = BeeBlock::decode(encode_bee_block({level}, {}, std::nullopt));
    return block->level(0, {self}).has_error();
  };
  CHECK_FALSE(refused({{{3}}, {}}, 3));
  CHECK(refused({{{0}}, {}}, 3));                              // the header is no key
  CHECK(refused({{{4}}, {}}, 3));                              // nor is what was not written yet
  CHECK(refused({{{1}}, {{{2}, 0}}}, 3));                      // one child for one key
  CHECK(refused({{{1}}, {{{2}, 0}, {{2}, 1}, {{2}, 2}}}, 3));  // three
  CHECK(refused({{{1}}, {{{2}, 0}, {{9}, 0}}}, 3));
  CHECK_FALSE(refused({{{1}}, {{{2}, 0}, {{3}, 1}}}, 3));
  const auto block = BeeBlock::decode(encode_bee_block({{{{1}}, {}}}, {}, std::nullopt));
  CHECK(block->level(1, {3}).error() == ProtocolErrc::malformed);  // there is one level
}

TEST_CASE("half a pair of a child is malformed") {
  const auto block = BeeBlock::decode(around(unhex("0a0312015a")));
  REQUIRE(block.has_value());
  CHECK(block->level(0, {100}).error() == ProtocolErrc::malformed);
}
