// A node whose store takes nothing for a while, as on a full disk: its peers are told, and nothing has to be
// started anew once there is room.
#include <doctest/doctest.h>

#include "sheaf/storage/error.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

using Refused = std::map<std::string, std::uint64_t>;

// The store opens, and refuses every write but so many first. It outlives the world, whose end writes, too.
class Disk final : public WriteFaults {
 public:
  Error before_write(const Batch& batch, Durable) override {
    if (!full || batch.empty()) return {};
    if (pass > 0) return --pass, Error();
    ++refused;
    return error;
  }
  bool full = false;
  std::size_t pass = 0;
  Error error = StorageErrc::full;
  std::size_t refused = 0;
};

void put(World& world, Archive& archive, const std::string& name, std::size_t size) {
  REQUIRE(world.run(archive.put(name, Buffer(size, std::byte{7}))).has_value());
}

// A node and the archive that it writes, of so many files.
struct Writer {
  Writer(World& world, int files) : node(world.add()) {
    auto made = world.run(node.init_archive());
    REQUIRE(made.has_value());
    archive.emplace(std::move(*made));
    for (int i = 0; i < files; ++i) put(world, *archive, "/" + std::to_string(i), 10'000);
  }
  Node& node;
  std::optional<Archive> archive;
  CoreKey key() const { return archive->key(); }
};

// A writer, and a node that has never met it, whose store is full.
struct FullStore {
  explicit FullStore(int files) : writer(world, files), node(world.add({}, &disk)) { disk.full = true; }
  Disk disk;
  World world;
  Writer writer;
  Node& node;
};

// Two writers of which each has the archive of the other, too.
struct TwoWriters {
  TwoWriters(World& world, int first_files, int second_files)
      : first(world, first_files), second(world, second_files) {
    auto& join = world.join(first.node, second.node, Until::complete);
    REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  }
  Writer first, second;
};

// Every block that its writer has, of both its cores.
bool has_all(World& world, Node& node, Archive& original) {
  auto archive = world.run(node.archive(original.key()));
  if (!archive) return false;
  const auto here = world.run(archive->info());
  const auto there = world.run(original.info());
  REQUIRE(here.has_value());
  REQUIRE(there.has_value());
  return here->complete && here->blocks == there->blocks;
}

std::size_t stops_told(World& world, Node& node) {
  std::size_t out = 0;
  for (bool more = true; more;) {
    const auto event = world.run(node.next_event());
    REQUIRE(event.has_value());
    if (event->kind == NodeEvent::Kind::store_stopped) {
      CHECK(event->error == StorageErrc::full);
      ++out;
    }
    more = event->kind != NodeEvent::Kind::session_ended;
  }
  return out;
}

// What the side that was dialled says of a session that is cut now.
SessionSummary cut(World& world, World::Join& join) {
  join.a->cut();
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  REQUIRE(join.b_ended->has_value());
  return **join.b_ended;
}

}  // namespace

TEST_CASE("while the store is full peers are told `disk`, once, and once it is not all comes") {
  Disk disk;
  World world;
  TwoWriters writers(world, 8, 3);
  Writer &first = writers.first, &second = writers.second;
  Node& node = world.add({}, &disk);
  disk.full = true;
  auto& join = world.join(node, first.node);
  world.pass(2min);
  CHECK(disk.refused > 3);
  CHECK(disk.refused < 40);
  disk.full = false;
  REQUIRE(world.until([&] { return has_all(world, node, *first.archive); }));
  REQUIRE(world.until([&] { return has_all(world, node, *second.archive); }));
  // The session goes on as any other.
  put(world, *first.archive, "/late", 10'000);
  REQUIRE(world.until([&] { return has_all(world, node, *first.archive); }));
  CHECK(cut(world, join).refused == Refused{{"disk", 2}});
  CHECK(stops_told(world, node) == 1);
}

TEST_CASE("a peer that is done leaves a node with a full store, which has not got everything and says so") {
  FullStore full(4);
  World& world = full.world;
  Writer& writer = full.writer;
  Node& node = full.node;
  auto& join = world.join(writer.node, node, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }, 20s));
  CHECK((*join.a_ended)->complete);
  CHECK((*join.a_ended)->refused == Refused{{"disk", 1}});
  CHECK_FALSE((*join.b_ended)->complete);
  full.disk.full = false;
  world.pass(1min);
  auto& again = world.join(writer.node, node, Until::complete);
  REQUIRE(world.until([&] { return again.a_ended && again.b_ended; }));
  CHECK((*again.a_ended)->refused.empty());
  CHECK((*again.b_ended)->complete);
  CHECK(has_all(world, node, *writer.archive));
}

TEST_CASE("one session to its end waits for the store that it fills") {
  FullStore full(4);
  World& world = full.world;
  Writer& writer = full.writer;
  Node& node = full.node;
  auto& join = world.join(node, writer.node, Until::complete);
  world.pass(1min);
  CHECK_FALSE(join.a_ended);
  full.disk.full = false;
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  CHECK((*join.a_ended)->complete);
  CHECK((*join.b_ended)->refused == Refused{{"disk", 1}});
  CHECK(has_all(world, node, *writer.archive));
}

TEST_CASE("wherever the store becomes full, the peer is told and the rest comes later") {
  bool before_the_end = true;
  std::size_t at = 0;
  for (; before_the_end; ++at) {
    CAPTURE(at);
    REQUIRE(at < 100);
    Disk disk;
    World world;
    Writer writer(world, 6);
    Node& node = world.add({}, &disk);
    disk.full = true;
    disk.pass = at;
    Road road;
    road.delay = 5ms;
    auto& join = world.join(node, writer.node, Until::ended, road);
    world.pass(30s);
    before_the_end = disk.refused > 0;
    CHECK(has_all(world, node, *writer.archive) != before_the_end);
    disk.full = false;
    REQUIRE(world.until([&] { return has_all(world, node, *writer.archive); }));
    CHECK(cut(world, join).refused == (before_the_end ? Refused{{"disk", 1}} : Refused{}));
  }
  CHECK(at > 4);
}

TEST_CASE("a write that fails once is told to nobody, and goes through at the next try") {
  Disk disk;
  World world;
  Writer writer(world, 6);
  disk.error = StorageErrc::io_error;
  Node& node = world.add({}, &disk);
  disk.full = true;
  auto& join = world.join(node, writer.node);
  REQUIRE(world.until([&] { return disk.refused == 1; }));
  disk.full = false;
  REQUIRE(world.until([&] { return has_all(world, node, *writer.archive); }));
  CHECK(cut(world, join).refused.empty());
  CHECK(stops_told(world, node) == 0);
}

TEST_CASE("an archive over its quota and a full store are told apart") {
  Disk disk;
  World world;
  TwoWriters writers(world, 20, 2);
  Writer &large = writers.first, &small = writers.second;
  NodeOptions options;
  options.quota_archive = {50'000};
  Node& node = world.add(options, &disk);
  auto& join = world.join(node, large.node);
  REQUIRE(world.until([&] { return has_all(world, node, *small.archive); }));
  world.pass(10s);
  disk.full = true;
  auto& later = world.join(node, small.node);
  put(world, *small.archive, "/late", 10'000);
  world.pass(10s);
  CHECK(cut(world, join).refused == Refused{{"quota", 1}});
  disk.full = false;
  REQUIRE(world.until([&] { return has_all(world, node, *small.archive); }));
  CHECK(cut(world, later).refused == Refused{{"disk", 1}, {"quota", 1}});  // it has both archives
  auto core = world.run(node.core(large.key()));
  REQUIRE(core.has_value());
  CHECK(world.run(core->info())->over_quota);
}

TEST_CASE("what is here already is given on while the store is full") {
  Disk disk;
  World world;
  Writer writer(world, 4);
  Node& relay = world.add({}, &disk);
  Node& reader = world.add();
  auto& join = world.join(relay, writer.node);
  REQUIRE(world.until([&] { return has_all(world, relay, *writer.archive); }));
  world.pass(1min);  // its channels are closed, so that the bundle hears of what is new
  disk.full = true;
  put(world, *writer.archive, "/late", 10'000);
  REQUIRE(world.until([&] { return disk.refused > 0; }));
  auto& other = world.join(reader, relay, Until::complete);
  REQUIRE(world.until([&] { return other.a_ended && other.b_ended; }, 20s));
  CHECK((*other.a_ended)->complete);
  auto held = world.run(reader.archive(writer.key()));
  REQUIRE(held.has_value());
  CHECK(world.run(held->info())->complete);
  disk.full = false;
  REQUIRE(world.until([&] { return has_all(world, relay, *writer.archive); }));
  CHECK(cut(world, join).refused == Refused{{"disk", 1}});
}
