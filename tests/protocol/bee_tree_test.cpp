// Trees that no honest writer makes, and blocks that are not here yet.
#include "protocol/bee_tree.hpp"

#include <map>

#include <doctest/doctest.h>

#include "protocol/limits.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "tests/support/bee_memory.hpp"

using namespace sheaf;
using sheaf::test::BeeMemory;

namespace {

Bytes text(std::string_view text) { return as_bytes(text); }

std::string numbered(std::uint64_t number) {
  std::string out = std::to_string(number);
  return std::string(6 - out.size(), '0') + out;
}

void put(BeeMemory& bee, const std::string& key, const std::string& value) {
  BeeBatch batch(bee, bee.length());
  REQUIRE(batch.put(text(key), text(value)).has_value());
  bee.append(batch);
}

BeeMemory tree_of(std::uint64_t keys) {
  BeeMemory bee;
  bee.add_header(drive_header());
  for (std::uint64_t i = 0; i < keys; ++i) put(bee, numbered(i * 7919 % keys), "v");
  return bee;
}

// Walks to the end or to an error.
Result<std::size_t> count(BeeMemory& bee, BeeRange range = {}) {
  BeeWalk walk(bee.length(), std::move(range), false);
  for (std::size_t out = 0;; ++out) {
    auto next = walk.next(bee);
    if (!next) return next.error();
    if (!*next) return out;
  }
}

}  // namespace

TEST_CASE("a tree stays as a map of the same keys, whatever is put and deleted") {
  auto random = seeded_random(7);
  BeeMemory bee;
  bee.add_header(drive_header());
  std::map<std::string, std::string> model;
  for (int round = 0; round < 300; ++round) {
    BeeBatch batch(bee, bee.length());
    const auto size = random->next() % 5;
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::string key = numbered(random->next() % 150);
      if (random->next() % 5 < 2) {
        auto gone = batch.del(text(key));
        REQUIRE(gone.has_value());
        CHECK(*gone == (model.erase(key) > 0));
      } else {
        model[key] = std::to_string(round);
        REQUIRE(batch.put(text(key), text(model[key])).has_value());
      }
      auto got = batch.get(text(key));
      REQUIRE(got.has_value());
      CHECK(got->has_value() == model.contains(key));
    }
    bee.append(batch);
  }
  BeeWalk walk(bee.length(), {}, false);
  for (const auto& [key, value] : model) {
    auto next = walk.next(bee);
    REQUIRE((next.has_value() && next->has_value()));
    CHECK(as_text((*next)->key()) == key);
    CHECK(as_text(*(*next)->value()) == value);
  }
  CHECK_FALSE(walk.next(bee)->has_value());
}

TEST_CASE("a walk waits at a block that is not here, and goes on as if it had been") {
  BeeMemory bee = tree_of(200);
  for (std::uint64_t i = 1; i < bee.raw.size(); i += 3) bee.missing.insert(i);
  BeeWalk walk(bee.length(), {}, false);
  std::uint64_t seen = 0;
  for (;;) {
    auto next = walk.next(bee);
    if (!next) {
      REQUIRE(next.error() == ProtocolErrc::missing_node);
      bee.missing.erase(bee.asked.value);
      continue;
    }
    if (!*next) break;
    CHECK(as_text((*next)->key()) == numbered(seen++));
  }
  CHECK(seen == 200);
}

TEST_CASE("a difference looks only into what differs") {
  BeeMemory bee = tree_of(2000);
  const Length before = bee.length();
  put(bee, numbered(1234), "w");
  bee.reads = 0;
  BeeDiff diff(bee.length(), before, {});
  auto first = diff.next(bee);
  REQUIRE((first.has_value() && first->has_value()));
  CHECK(as_text((*first)->left->key()) == numbered(1234));
  CHECK_FALSE(diff.next(bee)->has_value());
  CHECK(bee.reads < 100);
}

TEST_CASE("a tree that leads in a circle, or to one subtree again and again, is malformed") {
  BeeMemory bee;
  bee.add_header(drive_header());
  SUBCASE("a level that is its own child") {
    bee.raw.push_back(encode_bee_block({{{{1}}, {{{1}, 0}, {{1}, 0}}}}, text("k"), text("v")));
  }
  SUBCASE("two levels that are each other's child") {
    bee.raw.push_back(encode_bee_block({{{}, {{{1}, 1}}}, {{}, {{{1}, 0}}}}, text("k"), text("v")));
  }
  SUBCASE("each level leads twice to the next") {
    std::vector<BeeLevel> levels;
    for (std::uint64_t i = 0; i < 40; ++i) levels.push_back({{{1}}, {{{1}, i + 1}, {{1}, i + 1}}});
    levels.push_back({{{1}}, {}});
    bee.raw.push_back(encode_bee_block(levels, text("k"), text("v")));
  }
  CHECK(count(bee).error() == ProtocolErrc::malformed);
}

TEST_CASE("a tree that leads in a circle is not written to") {
  BeeMemory bee;
  bee.add_header(drive_header());
  bee.raw.push_back(encode_bee_block({{{{1}}, {{{1}, 0}, {{1}, 0}}}}, text("k"), text("v")));
  BeeBatch batch(bee, bee.length());
  CHECK(batch.put(text("j"), text("v")).error() == ProtocolErrc::malformed);
  CHECK(bee_get(bee, bee.length(), text("j")).error() == ProtocolErrc::malformed);
}

TEST_CASE("two trees that share keys and no nodes cannot keep a difference busy") {
  BeeMemory bee;
  bee.add_header(drive_header());
  const auto doubling = [&](std::uint64_t self) {
    std::vector<BeeLevel> levels;
    for (std::uint64_t i = 0; i < 40; ++i) levels.push_back({{{1}}, {{{self}, i + 1}, {{self}, i + 1}}});
    levels.push_back({{{1}}, {}});
    return encode_bee_block(levels, text("k"), text("v"));
  };
  bee.raw.push_back(doubling(1));
  bee.raw.push_back(doubling(2));
  BeeDiff diff({3}, {2}, {});
  CHECK(diff.next(bee).error() == ProtocolErrc::malformed);
}

TEST_CASE("keys out of order are malformed") {
  BeeMemory bee;
  bee.add_header(drive_header());
  bee.raw.push_back(encode_bee_block({{{{1}}, {}}}, text("b"), text("v")));
  bee.raw.push_back(encode_bee_block({{{{1}, {2}}, {}}}, text("a"), text("v")));
  CHECK(count(bee).error() == ProtocolErrc::malformed);
}

TEST_CASE("nodes of a foreign size are read, and split when they are written") {
  BeeMemory bee;
  bee.add_header(drive_header());
  BeeLevel leaf;
  for (std::uint64_t i = 1; i <= 12; ++i) {
    leaf.keys.push_back({i});
    bee.raw.push_back(encode_bee_block({leaf}, text(numbered(i)), text("v")));
  }
  CHECK(*count(bee) == 12);
  put(bee, numbered(50), "v");
  CHECK(*count(bee) == 13);
  const auto root = (*bee.block({13}))->level(0, {13});
  CHECK(root->keys.size() == 1);
}
