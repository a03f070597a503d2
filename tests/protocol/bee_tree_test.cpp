// Trees that no honest writer makes, and blocks that are not here yet.
#include "protocol/bee_tree.hpp"

#include <map>

#include <doctest/doctest.h>

#include "protocol/limits.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "tests/support/bee_memory.hpp"
#include "tests/support/gauge.hpp"

using namespace sheaf;
using namespace sheaf::test;

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

// A tree of very many keys of which nothing is stored: every block is made when it is asked for. Each node
// has 8 keys, the root one; the block of a subtree's last key holds its nodes, the highest first.
class EndlessTree final : public BeeBlocks {
 public:
  explicit EndlessTree(std::size_t height) : height_(height) {}
  std::uint64_t keys() const { return 2 * nines(height_) - 1; }

  Result<SharedBeeBlock> block(BlockIndex index) override {
    std::vector<BeeLevel> levels;
    if (index.value == keys()) {
      const BlockIndex middle{nines(height_)};
      levels.push_back({{middle}, {{{middle.value - 1}, 0}, {index, 1}}});
    }
    for (std::size_t height = height_at(index); height > 0; --height) levels.push_back(level(index, height));
    const std::string key = std::to_string(10'000'000 + index.value);
    auto decoded = BeeBlock::decode(encode_bee_block(levels, text(key), text("{}")));
    if (!decoded) return decoded.error();
    return std::make_shared<const BeeBlock>(std::move(*decoded));
  }

 private:
  static std::uint64_t nines(std::size_t power) { return power == 0 ? 1 : 9 * nines(power - 1); }
  // Of the highest subtree that ends there, 0 for none; the root is counted apart.
  std::size_t height_at(BlockIndex last) const {
    std::size_t height = 0;
    while (height < height_ && (last.value + 1) % nines(height + 1) == 0) ++height;
    return height;
  }
  BeeLevel level(BlockIndex last, std::size_t height) const {
    const std::uint64_t step = nines(height - 1);
    const std::uint64_t before = last.value + 1 - 9 * step;
    BeeLevel out;
    for (std::uint64_t i = 1; i < 9; ++i) out.keys.push_back({before + i * step});
    for (std::uint64_t i = 1; i <= 9 && height > 1; ++i) {
      const BlockIndex end{before + i * step - 1};
      const std::size_t root = end.value == keys() ? 1 : 0;
      out.children.push_back({end, root + height_at(end) - (height - 1)});
    }
    return out;
  }

  std::size_t height_;
};

}  // namespace

TEST_CASE("46 size_bomb: a million keys are walked in the memory of a few, from either end") {
  EndlessTree tree(memory_is_telling ? 6 : 4);
  const std::uint64_t keys = tree.keys();
  if (memory_is_telling) CHECK(keys > 1'000'000);
  const std::size_t before = resident_bytes();
  forget_peak();
  for (const bool reverse : {false, true}) {
    BeeWalk walk(Length{keys + 1}, {}, reverse);
    std::uint64_t passed = 0;
    for (;; ++passed) {
      auto next = walk.next(tree);
      if (!next) FAIL(next.error().message());
      if (!*next) break;
    }
    CHECK(passed == keys);
  }
  if (memory_is_telling) CHECK(peak_bytes() - before <= 1024 * 1024);
}

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
