// What a writer owes to those who follow it: one tree for each fork and length, whatever happens to its
// machine; and what they do when it signs two.
#include "tests/support/cores.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

// A writer and a copy of its folder that have written different things, and a third node that follows them.
void meet(std::size_t first_more, std::size_t second_more, bool second_first) {
  CAPTURE(first_more);
  CAPTURE(second_more);
  CAPTURE(second_first);
  World world;
  Node& one = world.add();
  Core log = create(world, one);
  append(world, log, 0, 3);
  Node& two = world.add_copy(one);
  Core twin = core_of(world, two, log.key());
  append(world, log, 100, first_more);
  append(world, twin, 200, second_more);
  Node& third = world.add();
  Core copy = follow(world, third, log.key());

  world.link(third, second_first ? two : one);
  Core& seen = second_first ? twin : log;
  REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, seen)); }));
  CHECK_FALSE(info(world, copy).frozen);
  world.link(third, second_first ? one : two);
  CHECK(world.until(
      [&] { return info(world, log).frozen && info(world, twin).frozen && info(world, copy).frozen; }));
  for (Core* writer : {&log, &twin}) {
    CHECK(try_append(world, *writer, {numbered_block(9, 9)}).error() == EngineErrc::frozen);
    CHECK(world.run(writer->truncate(Length{1})).error() == EngineErrc::frozen);
  }
  for (Core* core : {&log, &twin, &copy})
    for (std::uint64_t i = 0; i < 3; ++i) {
      const auto block = get(world, *core, i);
      REQUIRE(block.has_value());
      CHECK(equal(*block, numbered_block(i, 64)));
    }
  // It stays so.
  Node& again = world.restart(third);
  Core kept = core_of(world, again, log.key());
  CHECK(info(world, kept).frozen);
  CHECK(get(world, kept, 0).has_value());
}

}  // namespace

TEST_CASE("two histories under one key: whoever has seen both is frozen, and so are both writers") {
  for (const bool second_first : {false, true}) {
    meet(2, 2, second_first);
    meet(1, 4, second_first);
    meet(4, 1, second_first);
  }
}

TEST_CASE(
    "who was frozen and restarted still shows why: another that has seen one history learns of the second") {
  World world;
  Node& one = world.add();
  Core log = create(world, one);
  append(world, log, 0, 3);
  Node& two = world.add_copy(one);
  Core twin = core_of(world, two, log.key());
  append(world, log, 100, 2);
  append(world, twin, 200, 2);
  // Two that have only ever met one of the writers, or are a copy of it, and one that meets both.
  Node& fifth = world.add_copy(two);
  Core own = core_of(world, fifth, log.key());
  Node& fourth = world.add();
  Core late = follow(world, fourth, log.key());
  auto& first_meeting = world.join(fourth, one, Until::complete);
  REQUIRE(world.until([&] { return first_meeting.a_ended.has_value(); }));
  REQUIRE(caught_up(info(world, late), info(world, log)));
  Node& third = world.add();
  Core copy = follow(world, third, log.key());
  world.link(third, one);
  world.link(third, two);
  REQUIRE(world.until([&] { return info(world, copy).frozen; }));

  // From here on the writers are met by nobody.
  Node* shows = &world.restart(third);
  CHECK_FALSE(info(world, late).frozen);
  world.link(fourth, *shows);
  CHECK(world.until([&] { return info(world, late).frozen; }));
  CHECK(get(world, late, 4).has_value());

  // And what was learned from a third hand is handed on in the same way.
  CHECK_FALSE(info(world, own).frozen);
  shows = &world.restart(fourth);
  world.link(fifth, *shows);
  CHECK(world.until([&] { return info(world, own).frozen; }));
}

TEST_CASE(
    "who has nothing of a core, or less, learns from one that is frozen why, and does not wait for it") {
  for (const std::size_t have : {0, 2}) {
    CAPTURE(have);
    World world;
    Node& one = world.add();
    Core log = create(world, one);
    append(world, log, 0, have);
    Node& early = world.add();
    Core copy = follow(world, early, log.key());
    if (have > 0) {
      auto& first = world.join(early, one, Until::complete);
      REQUIRE(world.until([&] { return first.a_ended.has_value(); }));
      REQUIRE(caught_up(info(world, copy), info(world, log)));
    }
    append(world, log, have, 3 - have);
    Node& two = world.add_copy(one);
    Core twin = core_of(world, two, log.key());
    append(world, log, 100, 2);
    append(world, twin, 200, 3);
    Node& third = world.add();
    Core seen = follow(world, third, log.key());
    world.link(third, one);
    world.link(third, two);
    REQUIRE(world.until([&] { return info(world, seen).frozen; }));

    // From here on the writers are met by nobody.
    Node* shows = &world.restart(third);
    for (Node* dialling : {&early, &world.add()}) {
      const bool follows = dialling == &early;
      CAPTURE(follows);
      auto& meeting = world.join(*dialling, *shows, Until::complete);
      REQUIRE(world.until([&] { return meeting.a_ended.has_value(); }, std::chrono::seconds(20)));
      CHECK(meeting.a_ended->value().complete);
      if (!follows) continue;
      CHECK(info(world, copy).frozen);
      CHECK(info(world, copy).length == Length{have});
      for (std::uint64_t i = 0; i < have; ++i) CHECK(get(world, copy, i).has_value());
    }
    // It stays so, and is handed on.
    shows = &world.restart(early);
    Core kept = core_of(world, *shows, log.key());
    CHECK(info(world, kept).frozen);
    Node& last = world.add();
    Core none = follow(world, last, log.key());
    auto& meeting = world.join(last, *shows, Until::complete);
    REQUIRE(world.until([&] { return meeting.a_ended.has_value(); }, std::chrono::seconds(20)));
    CHECK(info(world, none).frozen);
  }
}

TEST_CASE("an archive that is frozen is refused by who would have followed it, with the reason") {
  World world;
  Node& one = world.add();
  auto archive = world.run(one.init_archive());
  REQUIRE(archive.has_value());
  REQUIRE(world.run(archive->put("a", {})).has_value());
  Node& two = world.add_copy(one);
  auto twin = world.run(two.archive(archive->key()));
  REQUIRE(twin.has_value());
  REQUIRE(world.run(archive->put("b", {})).has_value());
  REQUIRE(world.run(twin->put("c", {})).has_value());
  Node& third = world.add();
  auto copy = world.run(third.follow_archive(archive->key()));
  REQUIRE(copy.has_value());
  world.link(third, one);
  world.link(third, two);
  REQUIRE(world.until([&] { return world.run(copy->info())->frozen; }));

  Node& shows = world.restart(third);
  Node& stranger = world.add();
  auto& meeting = world.join(shows, stranger, Until::complete);
  REQUIRE(world.until([&] { return meeting.a_ended.has_value(); }, std::chrono::seconds(20)));
  REQUIRE(meeting.a_ended->has_value());
  CHECK(meeting.a_ended->value().refused.contains("frozen"));
  CHECK(world.run(stranger.archives()).value().empty());
}

TEST_CASE("two histories that part while all are connected freeze all of them") {
  World world;
  Node& one = world.add();
  Core log = create(world, one);
  append(world, log, 0, 3);
  Node& two = world.add_copy(one);
  Core twin = core_of(world, two, log.key());
  Node& third = world.add();
  Core copy = follow(world, third, log.key());
  world.link(third, one);
  world.link(third, two);
  REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));
  append(world, log, 100, 2);
  append(world, twin, 200, 2);
  CHECK(world.until(
      [&] { return info(world, log).frozen && info(world, twin).frozen && info(world, copy).frozen; }));
}

TEST_CASE("no honest writer is frozen by its own history coming back") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 10);
  for (int i = 0; i < 3; ++i) {
    Node& reader = world.add();
    Core copy = follow(world, reader, log.key());
    world.link(reader, writer);
    REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));
    world.cut_roads();
    append(world, log, 10 + i, 1);
    REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));
  }
  CHECK_FALSE(info(world, log).frozen);
}

TEST_CASE("after the machine stopped uncleanly, an append before any peer was met starts a fork of its own") {
  World world;
  Node* writer = &world.add();
  Core log = create(world, *writer);
  append(world, log, 0, 3);
  Node& crashed = world.crash(*writer, "boot-2");
  Core again = core_of(world, crashed, log.key());
  CHECK(info(world, again).fork == Fork{0});
  append(world, again, 3, 1);
  CHECK(info(world, again).fork == Fork{1});
  CHECK(info(world, again).length == Length{4});
  append(world, again, 4, 1);
  CHECK(info(world, again).fork == Fork{1});
}

TEST_CASE("a clean restart of process or machine changes no fork") {
  World world;
  Node* writer = &world.add();
  Core log = create(world, *writer);
  append(world, log, 0, 3);
  writer = &world.restart(*writer);
  world.boot_id = "boot-2";
  writer = &world.restart(*writer);
  Core again = core_of(world, *writer, log.key());
  append(world, again, 3, 1);
  CHECK(info(world, again).fork == Fork{0});
}

TEST_CASE("a process that is killed on a machine that runs on changes no fork") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 3);
  Node& killed = world.crash(writer, world.boot_id);
  Core again = core_of(world, killed, log.key());
  append(world, again, 3, 1);
  CHECK(info(world, again).fork == Fork{0});
}

TEST_CASE("after an unclean stop a longer history of its own is fetched first, and then continued") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 3);
  // What the disk kept is older than what a peer has.
  Node& older = world.add_copy(writer);
  append(world, log, 3, 4);
  Node& reader = world.add();
  Core copy = follow(world, reader, log.key());
  auto& join = world.join(reader, writer, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended.has_value(); }));
  REQUIRE(info(world, copy).contiguous == Length{7});

  Node& back = world.crash(older, "boot-2");
  Core again = core_of(world, back, log.key());
  CHECK(info(world, again).length == Length{3});
  world.link(reader, back);
  REQUIRE(world.until([&] { return info(world, again).contiguous == Length{7}; }));
  CHECK(append(world, again, 7, 1) == Length{8});
  CHECK(info(world, again).fork == Fork{0});
  REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, again)); }));
  CHECK_FALSE(info(world, copy).frozen);
  CHECK_FALSE(info(world, again).frozen);
}
