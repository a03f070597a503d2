#include "engine/archive/bee_cache.hpp"

#include <doctest/doctest.h>

#include "protocol/bee_writer.hpp"

namespace sheaf {
namespace {

// Of an empty tree: nothing is asked of it.
class Nothing final : public BeeBlocks {
  Result<SharedBeeBlock> block(BlockIndex) override { return EngineErrc::not_available; }
};

// A decoded block of about so many bytes.
SharedBeeBlock block_of(std::size_t bytes) {
  Nothing nothing;
  BeeBatch batch(nothing, Length{1});
  REQUIRE(batch.put(as_bytes("key"), Bytes(Buffer(bytes))).has_value());
  auto decoded = BeeBlock::decode(std::move(batch.finish().front()));
  REQUIRE(decoded.has_value());
  return std::make_shared<const BeeBlock>(std::move(*decoded));
}

}  // namespace

TEST_CASE("decoded blocks are kept by tree and fork, within a bound; those used last stay longest") {
  constexpr std::size_t most = 64 * 1024;
  BeeCache cache(most);
  const auto tree = cache.new_tree(), other = cache.new_tree();
  CHECK_FALSE(tree == other);
  const auto often = block_of(100);
  cache.add(tree, Fork{0}, BlockIndex{1}, often);
  CHECK(cache.find(tree, Fork{0}, BlockIndex{1}) == often);
  CHECK(cache.find(other, Fork{0}, BlockIndex{1}) == nullptr);
  CHECK(cache.find(tree, Fork{1}, BlockIndex{1}) == nullptr);
  CHECK(cache.find(tree, Fork{0}, BlockIndex{2}) == nullptr);

  // Many more than there is room for, of two trees, while one is asked for over and over.
  for (std::uint64_t i = 2; i < 500; ++i) {
    cache.add(i % 2 == 0 ? tree : other, Fork{0}, BlockIndex{i}, block_of(1000));
    REQUIRE(cache.bytes() <= most);
    REQUIRE(cache.find(tree, Fork{0}, BlockIndex{1}) == often);
  }
  CHECK(cache.find(other, Fork{0}, BlockIndex{499}) != nullptr);
  CHECK(cache.find(tree, Fork{0}, BlockIndex{2}) == nullptr);

  // One that would drive out all others is not kept.
  cache.add(tree, Fork{0}, BlockIndex{1000}, block_of(most / 2));
  CHECK(cache.find(tree, Fork{0}, BlockIndex{1000}) == nullptr);
  CHECK(cache.find(tree, Fork{0}, BlockIndex{1}) == often);
}

TEST_CASE("a decoded block that is asked for again, after others have come, is counted once") {
  BeeCache cache(64 * 1024);
  const auto tree = cache.new_tree();
  // Enough for the first ones to be in the older generation, and too few for them to go.
  constexpr std::uint64_t blocks = 30;
  for (std::uint64_t i = 0; i < blocks; ++i) cache.add(tree, Fork{0}, BlockIndex{i}, block_of(1000));
  const std::size_t held = cache.bytes();
  for (std::uint64_t i = 0; i < 4; ++i) {
    REQUIRE(cache.find(tree, Fork{0}, BlockIndex{i}) != nullptr);
    CHECK(cache.bytes() == held);
  }
}

}  // namespace sheaf
