// Nodes that gossip: what one holds comes to all, each block over each road once, and what nobody wants stays
// away.
#include <doctest/doctest.h>

#include "tests/support/db_blocks.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

Core create(World& world, Node& node, const std::string& name, const std::vector<Buffer>& blocks) {
  auto core = world.run(node.create_core(name));
  REQUIRE(core.has_value());
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  REQUIRE(world.run(core->append(views)).has_value());
  return std::move(*core);
}

// A node that has written one archive with the file /hello, for others to follow by its key.
struct Writer {
  Writer(World& world, std::string text)
      : node(world.add()),
        blobs(create(world, node, "blobs", {to_buffer(as_bytes(std::string_view(text)))})),
        tree(header_naming(blobs.key())) {
    tree.put("/hello", file(0, 0, 1, text.size()));
    key = create(world, node, "db", tree.blocks).key();
  }
  void put_again(World& world, std::string_view name) {
    const std::size_t before = tree.blocks.size();
    tree.put(name, file(0, 0, 1, 5));
    auto db = world.run(node.core(key));
    for (std::size_t i = before; i < tree.blocks.size(); ++i)
      REQUIRE(world.run(db->append(tree.blocks[i])).has_value());
  }
  Node& node;
  Core blobs;
  DbBlocks tree;
  CoreKey key;
};

bool finished(World& world, World::Join& join) {
  return world.until([&] { return join.a_ended && join.b_ended; });
}

// One session to its end. Both sides say that it was complete.
SessionSummary sync(World& world, Node& a, Node& b) {
  auto& join = world.join(a, b, Until::complete);
  REQUIRE(finished(world, join));
  REQUIRE(join.a_ended->has_value());
  CHECK((*join.a_ended)->complete);
  CHECK((*join.b_ended)->complete);
  return **join.a_ended;
}

void follow(World& world, Node& node, const CoreKey& key) {
  REQUIRE(world.run(node.follow_archive(key)).has_value());
}

std::vector<CoreKey> archives(World& world, Node& node) {
  auto keys = world.run(node.archives());
  REQUIRE(keys.has_value());
  return *keys;
}

std::size_t names_in(World& world, Node& node, const CoreKey& key) {
  auto archive = world.run(node.archive(key));
  REQUIRE(archive.has_value());
  auto entries = world.run(archive->list({.from = Core::From::here}));
  REQUIRE(entries.has_value());
  std::size_t out = 0;
  for (;; ++out) {
    auto entry = world.run(entries->next());
    REQUIRE(entry.has_value());
    if (!*entry) return out;
  }
}

awaitable<void> read_block(Core& core, BlockIndex index, bool& came) {
  const auto block = co_await core.get(index, Core::From::peers);
  came = block.has_value();
}

std::size_t channels(World& world, Node& node, const CoreKey& key) {
  auto core = world.run(node.core(key));
  REQUIRE(core.has_value());
  return world.run(core->info())->peers;
}

bool whole(World& world, Node& node) {
  auto cores = world.run(node.cores());
  REQUIRE(cores.has_value());
  return std::ranges::all_of(*cores, [](const CoreInfo& info) { return info.local == info.length; });
}

}  // namespace

TEST_CASE(
    "HM-14, HM-16: an archive comes to peers that never met its writer, whole; a second session moves "
    "nothing") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  Node& c = world.add();
  follow(world, a, writer.key);
  sync(world, a, writer.node);
  CHECK(archives(world, b).empty());
  const auto first = sync(world, a, b);
  CHECK(first.blocks_sent == 3);  // a header, an entry, the content
  CHECK(archives(world, b) == std::vector{writer.key});
  sync(world, c, b);
  CHECK(archives(world, c) == std::vector{writer.key});
  CHECK(names_in(world, c, writer.key) == 1);
  CHECK(whole(world, c));
  const auto second = sync(world, c, b);
  CHECK(second.blocks_received == 0);
  CHECK(second.blocks_sent == 0);
}

TEST_CASE("three writers' archives come to all three in three sessions") {
  World world;
  Writer one(world, "first"), two(world, "other"), three(world, "third");
  std::vector<Node*> nodes;
  for (Writer* writer : {&one, &two, &three}) {
    nodes.push_back(&world.add());
    follow(world, *nodes.back(), writer->key);
    sync(world, *nodes.back(), writer->node);
  }
  sync(world, *nodes[0], *nodes[1]);
  sync(world, *nodes[1], *nodes[2]);
  sync(world, *nodes[0], *nodes[1]);
  for (Node* node : nodes) {
    CHECK(archives(world, *node).size() == 3);
    CHECK(whole(world, *node));
  }
}

TEST_CASE("peers that agree open no core, and starting a node opens none") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  follow(world, a, writer.key);
  sync(world, a, writer.node);
  sync(world, a, b);
  Node& again = world.restart(b);
  auto& join = world.join(a, again);
  world.pass(seconds(30));
  auto core = world.run(a.core(writer.key));
  CHECK(world.run(core->info())->peers == 0);
  CHECK_FALSE(join.a_ended);
}

TEST_CASE(
    "HM-15, HM-26 live, announce_loop: what one writes comes to all, around a ring, and then nothing moves") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  Node& c = world.add();
  follow(world, a, writer.key);
  world.link(a, writer.node);
  world.link(b, a);
  world.link(c, b);
  world.link(a, c);
  REQUIRE(world.until([&] { return archives(world, c).size() == 1 && names_in(world, c, writer.key) == 1; }));
  writer.put_again(world, "/news");
  REQUIRE(world.until([&] { return names_in(world, c, writer.key) == 2; }));
  // announce_loop: apart from keep-alives nothing is said any more.
  world.pass(minutes(1));
  const auto before = world.bytes_carried();
  world.pass(minutes(1));
  const auto roads = world.roads();
  CHECK(world.bytes_carried() - before < roads * 2 * 13 * 24);
}

TEST_CASE("a forgotten archive does not come back because a peer has it, only by the user's word") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  follow(world, a, writer.key);
  sync(world, a, writer.node);
  sync(world, a, b);
  REQUIRE(world.run(b.forget(writer.key)).has_value());
  sync(world, a, b);
  CHECK(archives(world, b).empty());
  Node& again = world.restart(b);
  sync(world, a, again);
  CHECK(archives(world, again).empty());
  follow(world, again, writer.key);
  sync(world, a, again);
  CHECK(names_in(world, again, writer.key) == 1);
}

TEST_CASE("a private archive is told to nobody (private_archive_probe)") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  REQUIRE(world.run(a.follow_archive(writer.key, {.encryption_key = {}, .is_private = true})).has_value());
  sync(world, a, writer.node);
  CHECK(names_in(world, a, writer.key) == 1);
  sync(world, b, a);
  CHECK(archives(world, b).empty());
}

TEST_CASE("an allowlist takes what is listed, and refuses the rest") {
  World world;
  Writer one(world, "first"), two(world, "other");
  Node& a = world.add();
  for (Writer* writer : {&one, &two}) {
    follow(world, a, writer->key);
    sync(world, a, writer->node);
  }
  NodeOptions options;
  options.policy = Policy::allowlist;
  options.allow = {two.key};
  Node& b = world.add(options);
  sync(world, b, a);
  CHECK(archives(world, b) == std::vector{two.key});
  CHECK(names_in(world, b, two.key) == 1);
}

TEST_CASE("announce to listed peers alone: others learn nothing, and can open nothing") {
  World world;
  Writer writer(world, "hello");
  NodeOptions options;
  options.announce = Announce::allowed;
  Node& a = world.add(options);
  Node& b = world.add();
  follow(world, a, writer.key);
  sync(world, a, writer.node);
  sync(world, b, a);
  CHECK(archives(world, b).empty());
}

TEST_CASE("no more archives than max_archives are followed") {
  World world;
  Writer one(world, "first"), two(world, "other"), three(world, "third");
  Node& a = world.add();
  for (Writer* writer : {&one, &two, &three}) {
    follow(world, a, writer->key);
    sync(world, a, writer->node);
  }
  NodeOptions options;
  options.max_archives = 2;
  Node& b = world.add(options);
  sync(world, b, a);
  CHECK(archives(world, b).size() == 2);
}

TEST_CASE("bare cores are followed only by the user's word") {
  World world;
  Node& a = world.add();
  Node& b = world.add();
  Core log = create(world, a, "log", {Buffer(10), Buffer(10)});
  sync(world, b, a);
  CHECK(world.run(b.cores())->empty());
  REQUIRE(world.run(b.follow(log.key())).has_value());
  const auto summary = sync(world, b, a);
  CHECK(summary.blocks_received == 2);
}

TEST_CASE("a download that was cut goes on with the next session, though heads agree") {
  World world;
  Node& a = world.add();
  Node& b = world.add();
  std::vector<Buffer> blocks(400, Buffer(20'000));
  Core log = create(world, a, "log", blocks);
  Core copy = *world.run(b.follow(log.key()));
  auto& join = world.join(b, a, Until::complete, {.delay = std::chrono::milliseconds(20)});
  REQUIRE(world.until([&] { return world.run(copy.info())->local.value > 20; }));
  join.a->cut();
  REQUIRE(finished(world, join));
  REQUIRE(world.run(copy.info())->local < Length{400});
  sync(world, b, a);
  CHECK(world.run(copy.info())->local == Length{400});
}

TEST_CASE(
    "a channel on which nothing is wanted goes after half a minute; what is written later brings it back") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  Node& b = world.add();
  follow(world, a, writer.key);
  world.link(a, writer.node);
  world.link(b, a);
  REQUIRE(world.until([&] { return archives(world, b).size() == 1 && names_in(world, b, writer.key) == 1; }));
  CHECK(channels(world, b, writer.key) == 1);
  world.pass(minutes(1));
  CHECK(channels(world, a, writer.key) == 0);
  CHECK(channels(world, b, writer.key) == 0);
  writer.put_again(world, "/news");
  REQUIRE(world.until([&] { return names_in(world, b, writer.key) == 2; }, seconds(5)));
  CHECK(channels(world, b, writer.key) == 1);
}

TEST_CASE("who reads gets its channel, whether it came before the peer or after") {
  World world;
  Node& a = world.add();
  Core log = create(world, a, "log", {Buffer(10), Buffer(10), Buffer(10)});
  NodeOptions options;
  options.sparse = true;
  Node& b = world.add(options);
  auto followed = world.run(b.follow(log.key()));
  REQUIRE(followed.has_value());
  Core copy = std::move(*followed);
  sync(world, b, a);
  CHECK(world.run(copy.info())->length == Length{3});
  CHECK(world.run(copy.info())->local == Length{0});
  bool came = false;
  world.spawn(read_block(copy, BlockIndex{1}, came));
  world.join(b, a);
  CHECK(world.until([&] { return came; }, seconds(5)));
  world.pass(minutes(1));
  CHECK(channels(world, b, log.key()) == 0);
  came = false;
  world.spawn(read_block(copy, BlockIndex{2}, came));
  CHECK(world.until([&] { return came; }, seconds(5)));
}

TEST_CASE(
    "what a peer will not follow is said with its reason, and a session that is complete says what lacks") {
  World world;
  Writer writer(world, "hello");
  Node& a = world.add();
  follow(world, a, writer.key);
  sync(world, a, writer.node);
  NodeOptions options;
  options.policy = Policy::allowlist;
  Node& b = world.add(options);
  const auto whole_one = sync(world, a, b);
  CHECK(whole_one.of_bundle);
  CHECK_FALSE(whole_one.missing);
  CHECK(whole_one.refused.empty());  // closed, so nothing was told that could be refused
  REQUIRE(world.run(a.forget(writer.key)).has_value());
  Node& c = world.add();
  follow(world, c, writer.key);
  sync(world, c, writer.node);
  const auto refused = sync(world, c, a);
  CHECK(refused.refused == std::map<std::string, std::uint64_t>{{"forgotten", 1}});
}

TEST_CASE(
    "of what is incomplete here a peer is asked: who holds nothing opens no channel, who has it gives it") {
  World world;
  Writer writer(world, "hello");
  Node& b = world.add();
  follow(world, b, writer.key);
  // The head and the header alone, as a sparse node has it.
  NodeOptions sparse;
  sparse.sparse = true;
  Node& head_only = world.restart(b, sparse);
  sync(world, head_only, writer.node);
  CHECK_FALSE(whole(world, head_only));
  NodeOptions listed;
  listed.policy = Policy::allowlist;
  Node& holds_nothing = world.add(listed);
  Node& wants = world.restart(head_only);
  sync(world, wants, holds_nothing);
  auto& join = world.join(wants, holds_nothing);
  world.pass(seconds(5));
  CHECK(channels(world, wants, writer.key) == 0);
  CHECK_FALSE(join.a_ended);
  const auto summary = sync(world, wants, writer.node);
  CHECK(summary.blocks_received == 2);
  CHECK(whole(world, wants));
}

TEST_CASE(
    "a session keeps a bounded number of channels, and what it closed for that is heard of all the same") {
  constexpr std::size_t count = 1'300;
  constexpr std::size_t most = 1'024;
  World world;
  Node& a = world.add();
  Node& b = world.add();
  std::vector<Core> written;
  for (std::size_t i = 0; i < count; ++i) {
    written.push_back(create(world, a, std::to_string(i), {Buffer(10)}));
    REQUIRE(world.run(b.follow(written.back().key())).has_value());
  }
  auto& join = world.join(b, a);
  const auto open_and_held = [&] {
    std::pair<std::size_t, std::size_t> out{};
    const auto cores = world.run(b.cores());
    REQUIRE(cores.has_value());
    for (const CoreInfo& info : *cores) {
      out.first += info.peers;
      out.second += info.local == Length{1} ? 1 : 0;
    }
    return out;
  };
  REQUIRE(world.until([&] { return open_and_held().second == count; }, seconds(20)));
  const std::size_t open = open_and_held().first;
  CHECK(open <= most);
  CHECK(open >= most / 2);  // no more were closed than had to be
  for (Core& core : written) REQUIRE(world.run(core.append(Buffer(10))).has_value());
  REQUIRE(world.until([&] { return open_and_held().second == 0 && whole(world, b); }, seconds(20)));
  CHECK(open_and_held().first <= most);
  CHECK_FALSE(join.a_ended);
}
