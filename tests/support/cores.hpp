// Blocks that differ, and the calls of a core that a test makes again and again, run to their end.
#pragma once

#include "tests/support/world.hpp"

namespace sheaf::test {

// The same bytes for the same number.
inline Buffer numbered_block(std::uint64_t number, std::size_t size) {
  Buffer out(size);
  seeded_random(number + 1)->fill(out);
  return out;
}

inline Core create(World& world, Node& node, const std::string& name = "log") {
  auto core = world.run(node.create_core(name));
  REQUIRE(core.has_value());
  return std::move(*core);
}

inline Core follow(World& world, Node& node, const CoreKey& key) {
  auto core = world.run(node.follow(key));
  REQUIRE(core.has_value());
  return std::move(*core);
}

inline Core core_of(World& world, Node& node, const CoreKey& key) {
  auto core = world.run(node.core(key));
  REQUIRE(core.has_value());
  return std::move(*core);
}

inline CoreInfo info(World& world, Core& core) {
  auto out = world.run(core.info());
  REQUIRE(out.has_value());
  return *out;
}

inline Result<Length> try_append(World& world, Core& core, const std::vector<Buffer>& blocks) {
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  return world.run(core.append(views));
}

// Appends the blocks of these numbers, each of `size` bytes.
inline Length append(World& world, Core& core, std::uint64_t first, std::size_t count,
                     std::size_t size = 64) {
  std::vector<Buffer> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(numbered_block(first + i, size));
  auto length = try_append(world, core, blocks);
  REQUIRE(length.has_value());
  return *length;
}

inline Result<Buffer> get(World& world, Core& core, std::uint64_t index, Core::From from = Core::From::here) {
  return world.run(core.get(BlockIndex{index}, from));
}

// It has as much as `other`, of the same fork, and every block.
inline bool caught_up(const CoreInfo& core, const CoreInfo& other) {
  return core.fork == other.fork && core.length == other.length && core.contiguous == other.length;
}

}  // namespace sheaf::test
