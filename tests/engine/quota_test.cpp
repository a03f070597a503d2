// What a followed archive may keep here at most: past it nothing more of it is fetched, and who had it is
// told.
#include "engine/core/quota.hpp"

#include <doctest/doctest.h>

#include "engine/core/held_bytes.hpp"
#include "tests/support/cores.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/log_world.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;
using std::chrono::minutes;

namespace {

constexpr std::size_t file_bytes = 10'000;  // one block of contents
using Part = Quota::Part;

// A node whose own archive has so many files /0, /1, ... of one block each.
struct Files {
  Files(World& world, int count) : node(world.add()) {
    auto made = world.run(node.init_archive());
    REQUIRE(made.has_value());
    archive.emplace(std::move(*made));
    for (int i = 0; i < count; ++i) put(world, i);
  }
  void put(World& world, int i) {
    const Buffer contents(file_bytes, static_cast<std::byte>(i));
    REQUIRE(world.run(archive->put("/" + std::to_string(i), contents)).has_value());
  }
  Node& node;
  std::optional<Archive> archive;
  CoreKey key() const { return archive->key(); }
};

NodeOptions with_quota(std::uint64_t bytes, bool sparse = false) {
  NodeOptions out;
  out.quota_archive = {bytes};
  out.sparse = sparse;
  return out;
}

constexpr std::size_t block_bytes = 1'000;

// A log of so many blocks at one node, followed by another with a quota.
struct FollowedLog {
  FollowedLog(World& world, std::uint64_t blocks, std::uint64_t quota)
      : writer(world.add()),
        log(create(world, writer)),
        reader(world.add(with_quota(quota))),
        copy(follow(world, reader, log.key())) {
    append(world, log, 0, blocks, block_bytes);
  }
  Node& writer;
  Core log;
  Node& reader;
  Core copy;
};

// False where no entry of the store has the value.
bool replace_value(Backend& store, Bytes value, Bytes by) {
  auto all = store.iterate({});
  REQUIRE(all.has_value());
  for (;;) {
    auto more = (*all)->next();
    REQUIRE(more.has_value());
    if (!*more) return false;
    if (!equal((*all)->value(), value)) continue;
    Batch batch;
    batch.put_copy((*all)->key(), by);
    REQUIRE(store.write(batch, Durable::yes).has_value());
    return true;
  }
}

// One session to its end, complete on both sides; what the second one says of it.
SessionSummary sync(World& world, Node& a, Node& b) {
  auto& join = world.join(a, b, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  REQUIRE(join.a_ended->has_value());
  CHECK((*join.a_ended)->complete);
  CHECK((*join.b_ended)->complete);
  return **join.b_ended;
}

Archive archive_at(World& world, Node& node, const CoreKey& key) {
  auto archive = world.run(node.archive(key));
  REQUIRE(archive.has_value());
  return std::move(*archive);
}

std::uint64_t contents_here(World& world, Node& node, const CoreKey& key) {
  auto archive = archive_at(world, node, key);
  const auto blobs = world.run(archive.blobs_key());
  REQUIRE(blobs.has_value());
  auto core = world.run(node.core(*blobs));
  REQUIRE(core.has_value());
  return world.run(core->info())->local.value;
}

bool is_whole(World& world, Node& node, const CoreKey& key) {
  auto archive = archive_at(world, node, key);
  return world.run(archive.info())->complete;
}

bool over_quota(World& world, Node& node, const CoreKey& key) {
  auto core = world.run(node.core(key));
  REQUIRE(core.has_value());
  return world.run(core->info())->over_quota;
}

}  // namespace

TEST_CASE("room is taken before it is used; the first block that finds none makes the archive full") {
  Quota quota({100});
  const CoreKey a{}, b = [] {
    CoreKey key{};
    key.bytes()[0] = std::byte{1};
    return key;
  }();
  quota.opened(a, Part::entries, {30});
  CHECK(quota.counts(a, Part::entries));
  CHECK_FALSE(quota.counts(a, Part::contents));
  CHECK(quota.take(a, Part::contents, {60}));
  CHECK(quota.take(a, Part::entries, {10}));
  CHECK_FALSE(quota.full(a));
  CHECK_FALSE(quota.take(a, Part::entries, {1}));
  CHECK(quota.full(a));
  CHECK(quota.take(b, Part::entries, {100}));
  CHECK_FALSE(quota.take(a, Part::entries, {1}));
  // Nothing is no room; what was not stored after all is, as what has gone.
  CHECK_FALSE(quota.give_back(a, Part::entries, {0}));
  CHECK(quota.full(a));
  CHECK(quota.give_back(a, Part::contents, {60}));
  CHECK_FALSE(quota.full(a));
  CHECK_FALSE(quota.give_back(a, Part::entries, {10}));
  CHECK(quota.take(a, Part::contents, {70}));
  CHECK_FALSE(quota.take(a, Part::contents, {1}));
  quota.closed(a, Part::contents);
  CHECK(quota.full(a));
  quota.closed(a, Part::entries);
  CHECK_FALSE(quota.full(a));
  CHECK(quota.take(a, Part::entries, {100}));
  // No claim of a size is too large to be compared.
  CHECK_FALSE(quota.take(a, Part::entries, {max_wire_integer}));
}

TEST_CASE("an archive is fetched up to its quota, its peer is told, and the others come whole") {
  World world;
  Files large(world, 20), small(world, 2);
  Node& relay = world.add();
  for (Files* files : {&large, &small}) {
    REQUIRE(world.run(relay.follow_archive(files->key())).has_value());
    sync(world, relay, files->node);
  }
  Node& node = world.add(with_quota(50'000));
  const SessionSummary told = sync(world, node, relay);
  CHECK(told.refused == std::map<std::string, std::uint64_t>{{"quota", 1}});
  CHECK(contents_here(world, node, large.key()) == 4);
  CHECK(over_quota(world, node, large.key()));
  CHECK(is_whole(world, node, small.key()));
  CHECK_FALSE(over_quota(world, node, small.key()));
  int said = 0;
  for (bool more = true; more;) {
    const auto event = world.run(node.next_event());
    REQUIRE(event.has_value());
    if (event->kind == NodeEvent::Kind::quota_reached) {
      CHECK(event->core == large.key());
      ++said;
    }
    more = event->kind != NodeEvent::Kind::session_ended;
  }
  CHECK(said == 1);
  // A pause, and no loop: another session asks for nothing of it.
  const SessionSummary again = sync(world, node, relay);
  CHECK(again.blocks_sent == 0);
  CHECK(contents_here(world, node, large.key()) == 4);
  // Both know it by now, and the peer hears of it as before.
  CHECK(again.refused == std::map<std::string, std::uint64_t>{{"quota", 1}});
}

TEST_CASE("a bare core that is followed has a quota of its own") {
  World world;
  FollowedLog one(world, 10, 4'500);
  sync(world, one.reader, one.writer);
  CHECK(info(world, one.copy).local == Length{4});
  CHECK(info(world, one.copy).length == Length{10});
  // Both sides know that they are done, also the one that is left at once.
  for (int i = 0; i < 5; ++i) CHECK(sync(world, one.reader, one.writer).blocks_sent == 0);
}

TEST_CASE("a larger quota lets it go on after a restart, from where it was") {
  World world;
  Files files(world, 20);
  Node* node = &world.add(with_quota(50'000));
  REQUIRE(world.run(node->follow_archive(files.key())).has_value());
  sync(world, *node, files.node);
  CHECK(contents_here(world, *node, files.key()) == 4);
  node = &world.restart(*node, with_quota(80'000));
  sync(world, *node, files.node);
  CHECK(over_quota(world, *node, files.key()));
  CHECK(contents_here(world, *node, files.key()) == 7);
  // With less than is here nothing goes, and nothing comes.
  node = &world.restart(*node, with_quota(30'000));
  sync(world, *node, files.node);
  CHECK(contents_here(world, *node, files.key()) == 7);
  node = &world.restart(*node);
  const SessionSummary last = sync(world, *node, files.node);
  CHECK(last.refused.empty());
  CHECK(last.blocks_sent == 13);
  CHECK(is_whole(world, *node, files.key()));
}

TEST_CASE("whoever waits for a block past the quota hears of it; what is cleared makes room") {
  World world;
  Files files(world, 6);
  Node& node = world.add(with_quota(25'000, true));
  REQUIRE(world.run(node.follow_archive(files.key())).has_value());
  Archive archive = archive_at(world, node, files.key());
  world.join(node, files.node);
  CHECK(world.run(archive.download("/0")).has_value());
  CHECK(world.run(archive.download("/1")).has_value());
  CHECK(world.run(archive.download("/2")).error() == EngineErrc::quota);
  auto reader = world.run(archive.read("/3", {}));
  REQUIRE(reader.has_value());
  CHECK(world.run(reader->next()).error() == EngineErrc::quota);
  CHECK(contents_here(world, node, files.key()) == 2);
  REQUIRE(world.run(archive.clear("/0")).has_value());
  CHECK(world.run(archive.download("/2")).has_value());
  CHECK(world.run(archive.download("/3")).error() == EngineErrc::quota);
  CHECK(contents_here(world, node, files.key()) == 2);
}

TEST_CASE("an archive that is forgotten leaves no trace in the count") {
  World world;
  Files files(world, 6);
  Node& node = world.add(with_quota(30'000));
  for (int i = 0; i < 2; ++i) {
    REQUIRE(world.run(node.follow_archive(files.key())).has_value());
    sync(world, node, files.node);
    CHECK(contents_here(world, node, files.key()) == 2);
    REQUIRE(world.run(node.forget(files.key())).has_value());
  }
}

TEST_CASE("what the writer winds back makes room, and the follower goes on in the same session") {
  World world;
  FollowedLog one(world, 10, 5'500);
  world.join(one.reader, one.writer);
  REQUIRE(world.until([&] { return info(world, one.copy).over_quota; }));
  REQUIRE(world.run(one.log.truncate(Length{1})).has_value());
  append(world, one.log, 20, 1, 2 * block_bytes);
  REQUIRE(world.until([&] { return info(world, one.copy).local == Length{2}; }));
  CHECK(equal(*get(world, one.copy, 1), numbered_block(20, 2 * block_bytes)));
  CHECK_FALSE(info(world, one.copy).over_quota);
}

TEST_CASE("a block that does not hold gives its room back, and the archive goes on") {
  World world;
  FollowedLog one(world, 10, 4'500);
  const auto store = memory_backend({.random = &world.random()});
  REQUIRE(store->open().has_value());
  const auto close = [&](Node* node) {
    world.run(node->close());
    delete node;
  };
  const std::unique_ptr<Node, decltype(close)> liar(world.open(*store).release(), close);
  Core spoilt = follow(world, *liar, one.log.key());
  sync(world, *liar, one.writer);
  REQUIRE(info(world, spoilt).local == Length{10});
  REQUIRE(replace_value(*store, numbered_block(1, block_bytes), Buffer(block_bytes)));
  // It is asked for the block again and again, until it is believed no more.
  auto& join = world.join(one.reader, *liar);
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  CHECK((*join.a_ended)->reason == SessionEnd::invalid_proof);
  CHECK(info(world, one.copy).local < Length{10});
  sync(world, one.reader, one.writer);
  CHECK(info(world, one.copy).local == Length{4});
  CHECK(info(world, one.copy).over_quota);
}

TEST_CASE("46 size_bomb: contents that claim more than the quota are refused before anything is fetched") {
  World world;
  Node& a = world.add();
  auto blobs = world.run(a.create_core("blobs"));
  REQUIRE(blobs.has_value());
  REQUIRE(world.run(blobs->append(Buffer(100))).has_value());
  DbBlocks tree(header_naming(blobs->key()));
  tree.put("/bomb", file(0, 0, 1, max_wire_integer));
  auto db = world.run(a.create_core("db"));
  REQUIRE(db.has_value());
  const std::vector<Bytes> views(tree.blocks.begin(), tree.blocks.end());
  REQUIRE(world.run(db->append(views)).has_value());
  Node& b = world.add(with_quota(std::uint64_t{64} << 30, true));
  REQUIRE(world.run(b.follow_archive(db->key())).has_value());
  Archive archive = archive_at(world, b, db->key());
  world.join(b, a);
  CHECK(world.run(archive.download("/bomb")).error() == EngineErrc::quota);
  CHECK(world.run(archive.read("/bomb", {})).error() == EngineErrc::quota);
  CHECK(contents_here(world, b, db->key()) == 0);
}

TEST_CASE("the tree tells the bytes of any set of held blocks") {
  const auto random = seeded_random(11);
  std::vector<Buffer> blocks;
  for (std::size_t i = 0; i < 75; ++i) blocks.emplace_back(i * 7 % 31);
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  auto grown = append_blocks({}, views);
  REQUIRE(grown.has_value());
  // Of half of the sets the parents are unknown, as of a core that came block by block.
  for (int round = 0; round < 200; ++round) {
    struct Nodes final : NodeReader {
      Result<std::optional<TreeNode>> node(TreeIndex index) override {
        if (hide_parents && (index.value & 1) == 1) return std::optional<TreeNode>();
        for (const TreeNode& one : *all)
          if (one.index == index) return std::optional(one);
        return std::optional<TreeNode>();
      }
      const std::vector<TreeNode>* all = nullptr;
      bool hide_parents = false;
    } nodes;
    nodes.all = &grown->nodes;
    nodes.hide_parents = round % 2 == 1;
    Bitfield have;
    Buffer bits(blocks.size());
    random->fill(bits);
    std::uint64_t expected = 0;
    const BlockRange range{{static_cast<std::uint64_t>(round % 20)},
                           {static_cast<std::uint64_t>(round % 90)}};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (round > 1 && std::to_integer<int>(bits[i]) % 4 == 0) continue;
      have.set(BlockIndex{i});
      if (range.contains({i})) expected += blocks[i].size();
    }
    const auto bytes = held_bytes(range, have, grown->head, nodes);
    REQUIRE(bytes.has_value());
    CHECK(bytes->value == expected);
  }
}
