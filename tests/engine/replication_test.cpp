// Cores between nodes that are joined by a road in memory: what is written on one is verified and kept on the
// other.
#include <doctest/doctest.h>

#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Buffer block(std::uint64_t index, std::size_t size) {
  Buffer out(size);
  auto random = seeded_random(index + 1);
  random->fill(out);
  return out;
}

Length append(World& world, Core& core, std::uint64_t first, std::size_t count, std::size_t size) {
  std::vector<Buffer> blocks;
  std::vector<Bytes> views;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(block(first + i, size));
  for (const Buffer& b : blocks) views.push_back(b);
  auto length = world.run(core.append(views));
  REQUIRE(length.has_value());
  return *length;
}

CoreInfo info(World& world, Core& core) {
  auto out = world.run(core.info());
  REQUIRE(out.has_value());
  return *out;
}

Core create(World& world, Node& node, const std::string& name) {
  auto core = world.run(node.create_core(name));
  REQUIRE(core.has_value());
  return std::move(*core);
}

Core follow(World& world, Node& node, const CoreKey& key) {
  auto core = world.run(node.follow(key));
  REQUIRE(core.has_value());
  return std::move(*core);
}

}  // namespace

TEST_CASE("a core of a thousand blocks is fetched, verified and kept over a restart") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Core theirs = create(world, writer, "log");
  CHECK(append(world, theirs, 0, 1000, 100) == Length{1000});
  Core ours = follow(world, reader, theirs.key());
  auto& join = world.join(reader, writer, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended.has_value(); }));
  REQUIRE(join.a_ended->has_value());
  CHECK((*join.a_ended)->complete);
  CHECK((*join.a_ended)->blocks_received == 1000);
  CHECK(info(world, ours).local == Length{1000});

  Node& again = world.restart(reader);
  auto core = world.run(again.core(theirs.key()));
  REQUIRE(core.has_value());
  for (std::uint64_t i : {0, 1, 499, 998, 999}) {
    auto got = world.run(core->get(BlockIndex{i}, Core::From::here));
    REQUIRE(got.has_value());
    CHECK(equal(*got, block(i, 100)));
  }
}

TEST_CASE("appends and truncates reach a peer that is connected") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Core theirs = create(world, writer, "log");
  Core ours = follow(world, reader, theirs.key());
  world.join(reader, writer);
  for (std::uint64_t i = 0; i < 20; ++i) {
    append(world, theirs, i, 1, 64);
    auto got = world.run(ours.get(BlockIndex{i}, Core::From::future));
    REQUIRE(got.has_value());
    CHECK(equal(*got, block(i, 64)));
  }
  REQUIRE(world.run(theirs.truncate(Length{5})).has_value());
  CHECK(world.until([&] { return info(world, ours).fork == Fork{1}; }));
  CHECK(info(world, ours).length == Length{5});
  append(world, theirs, 100, 3, 64);
  auto got = world.run(ours.get(BlockIndex{7}, Core::From::future));
  REQUIRE(got.has_value());
  CHECK(equal(*got, block(102, 64)));
}
