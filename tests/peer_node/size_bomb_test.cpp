// Case 46 of the hostile cases through the commands: entries that claim more than there is, blocks that
// several of them name.
#include <sstream>

#include "tests/peer_node/command_world.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/folder_tree.hpp"
#include "tests/support/gauge.hpp"

namespace sheaf::test {
namespace {

constexpr std::uint64_t huge = max_wire_integer;
constexpr std::size_t memory_most = 64 * 1024 * 1024;

// An archive at a whose contents are the blocks "abc", "de" and "f"; its key.
asio::awaitable<std::string> bombs_at_a(CommandWorld& world) {
  auto blobs = co_await world.a.node->create_core("blobs");
  REQUIRE(blobs.has_value());
  const std::vector<std::string> contents = {"abc", "de", "f"};
  std::vector<Bytes> views;
  for (const std::string& one : contents) views.push_back(as_bytes(one));
  REQUIRE((co_await blobs->append(views)).has_value());
  DbBlocks db(header_naming(blobs->key()));
  db.put("/behind-the-end", file(2, 5, 1'000'000, 1'000'000));
  db.put("/far-away", file(huge - 1, huge - 1, 1, 1));
  db.put("/honest", file(0, 0, 3, 6));
  db.put("/overlapping", file(1, 3, 2, 3));
  db.put("/too-long", file(0, 0, 3, huge));
  auto core = co_await world.a.node->create_core("db");
  REQUIRE(core.has_value());
  views.assign(db.blocks.begin(), db.blocks.end());
  REQUIRE((co_await core->append(views)).has_value());
  co_return to_string(core->key());
}

TEST_CASE(
    "46 size_bomb: what is there is read and exported, and the rest is said not to be, in little memory") {
  CommandWorld world;
  TemporaryFolder disk;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await bombs_at_a(world);
    const std::string address = co_await world.serve_a();
    const std::size_t before = resident_bytes();
    forget_peak();
    Ran ran = co_await world.call(world.b, "clone " + key + " " + address);
    CHECK(ran.code == exit_code::no_peer);
    CHECK(ran.err ==
          "sheaf: " + key + ": 1000000 blocks are missing: its entries name them, and no peer has them\n");

    ran = co_await world.call(world.b, "list --json");
    CHECK(ran.code == exit_code::done);
    std::vector<std::uint64_t> lengths;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);)
      lengths.push_back(Json::parse(line).at("length").get<std::uint64_t>());
    CHECK(lengths == std::vector<std::uint64_t>{1'000'000, 1, 6, 3, huge});

    struct Expected {
      std::string name;
      int read;  // the code
      std::string contents, why;
      int downloaded;
    };
    const std::vector<Expected> all = {
        {"behind-the-end", exit_code::no_peer, "f", "not here, and no peer has it", exit_code::no_peer},
        {"far-away", exit_code::no_peer, "", "not here, and no peer has it", exit_code::no_peer},
        {"honest", exit_code::done, "abcdef", "", exit_code::done},
        {"overlapping", exit_code::done, "def", "", exit_code::done},
        {"too-long", exit_code::integrity, "abcdef", "malformed", exit_code::done}};
    for (const Expected& one : all) {
      CAPTURE(one.name);
      ran = co_await world.call(world.b, "read " + one.name);
      CHECK(ran.code == one.read);
      CHECK(ran.out == one.contents);
      CHECK(ran.err == (one.why.empty() ? "" : "sheaf: /" + one.name + ": " + one.why + "\n"));
      const std::string wait = one.downloaded == exit_code::done ? "" : "--timeout 1 ";
      ran = co_await world.call(world.b, wait + "download " + one.name + " --peer " + address);
      CHECK(ran.code == one.downloaded);
    }

    std::filesystem::create_directory(disk.path() / "store");
    const std::string out = (disk.path() / "out").string();
    const std::string exporting = "-d " + (disk.path() / "store").string() + " export " + out;
    const Tree whole{{"/honest", "abcdef"}, {"/overlapping", "def"}};
    ran = co_await world.call(world.b, exporting + " --max-bytes 1000");
    CHECK(ran.code == exit_code::no_peer);
    CHECK(ran.err.find("/too-long: it is more than --max-bytes leaves room for\n") != std::string::npos);
    CHECK(tree_of(out) == whole);
    ran = co_await world.call(world.b, exporting);
    CHECK(ran.err ==
          "sheaf: /behind-the-end: not here, and no peer has it\n"
          "sheaf: /far-away: not here, and no peer has it\n"
          "sheaf: /too-long: malformed\n"
          "sheaf: 1 name was left out as unsafe or damaged\n");
    CHECK(ran.code == exit_code::integrity);
    CHECK(tree_of(out) == whole);
    if (memory_is_telling) CHECK(peak_bytes() - before <= memory_most);
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::test
