// Three nodes in a row: what the first one writes reaches the third through the second, which keeps no
// secret.
#include "tests/support/cores.hpp"

using namespace sheaf;
using namespace sheaf::test;

TEST_CASE("a middle node hands on what it holds, also after a restart and without the writer") {
  World world;
  Node& writer = world.add();
  Node* middle = &world.add();
  Node& reader = world.add();
  Core log = create(world, writer);
  follow(world, *middle, log.key());
  Core copy = follow(world, reader, log.key());
  append(world, log, 0, 50);
  world.link(*middle, writer);
  world.link(reader, *middle);
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{50}; }));

  // Live appends and truncates pass through.
  append(world, log, 50, 1);
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{51}; }));
  REQUIRE(world.run(log.truncate(Length{30})).has_value());
  append(world, log, 1000, 5);
  REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));
  CHECK(info(world, copy).fork == Fork{1});
  CHECK(equal(*get(world, copy, 30), numbered_block(1000, 64)));

  // The middle one stops while more is written, and comes back over the same store.
  middle = &world.restart(*middle);
  append(world, log, 2000, 20);
  world.pass(std::chrono::seconds(30));
  CHECK(info(world, copy).length == Length{35});  // nobody dials the writer any more
  world.link(*middle, writer);
  REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));

  // And now the writer is away for good.
  world.restart(writer);
  Node& late = world.add();
  Core late_copy = follow(world, late, log.key());
  world.roads_open = true;
  world.link(late, *middle);
  REQUIRE(world.until([&] { return info(world, late_copy).contiguous == Length{55}; }));
  for (std::uint64_t i = 0; i < 55; ++i) CHECK(equal(*get(world, late_copy, i), *get(world, copy, i)));
}
