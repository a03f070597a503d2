// Archives between nodes: an archive is followed by one key, and its entries and contents are read.
#include <doctest/doctest.h>

#include "protocol/archive_keys.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Core create(World& world, Node& node, const std::string& name, const std::vector<Buffer>& blocks) {
  auto core = world.run(node.create_core(name));
  REQUIRE(core.has_value());
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  REQUIRE(world.run(core->append(views)).has_value());
  return std::move(*core);
}

std::vector<Buffer> contents() {
  std::vector<Buffer> out;
  for (const char* text : {"hello ", "wide ", "world", "other"})
    out.push_back(to_buffer(as_bytes(std::string_view(text))));
  return out;
}

// A writer with one archive: /hello of three blocks, /other of one, /empty, /link, /zero/deep.
struct Drive {
  Drive(World& world, Node& node)
      : blobs(create(world, node, "blobs", contents()).key()), tree(header_naming(blobs)) {
    tree.put("/hello", file(0, 0, 3, 16));
    tree.put("/other", file(3, 16, 1, 5));
    tree.put("/empty", file(4, 21, 0, 0));
    DriveEntry link;
    link.linkname = "hello";
    tree.put("/link", link);
    tree.put("/zero/deep", file(3, 16, 1, 5));
  }
  CoreKey blobs;
  DbBlocks tree;
};

Archive follow(World& world, Node& node, const CoreKey& key) {
  auto archive = world.run(node.follow_archive(key));
  REQUIRE(archive.has_value());
  return std::move(*archive);
}

std::string text(const Result<Buffer>& bytes) {
  REQUIRE(bytes.has_value());
  return std::string(as_text(*bytes));
}

struct Listed {
  std::vector<std::string> names;
  std::uint64_t unreadable = 0;
};

Listed list(World& world, Archive& archive, ListOptions options = {}) {
  auto entries = world.run(archive.list(std::move(options)));
  REQUIRE(entries.has_value());
  Listed out;
  for (;;) {
    auto entry = world.run(entries->next());
    REQUIRE(entry.has_value());
    if (!*entry) break;
    out.names.push_back((*entry)->name);
  }
  out.unreadable = entries->unreadable();
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an archive is followed by one key; its blobs core is found, fetched and kept over a restart") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  CHECK(!world.run(archive.info())->blobs_key);
  auto& join = world.join(reader, writer, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended.has_value(); }));
  REQUIRE(join.a_ended->has_value());
  CHECK((*join.a_ended)->complete);

  Node& again = world.restart(reader);
  CHECK(world.run(again.archives()).value() == std::vector<CoreKey>{db.key()});
  auto kept = world.run(again.archive(db.key()));
  REQUIRE(kept.has_value());
  const auto info = world.run(kept->info());
  REQUIRE(info.has_value());
  CHECK(info->blobs_key == drive.blobs);
  CHECK(info->version == Version{6});
  CHECK(info->blocks == Length{10});
  CHECK(info->complete);
  CHECK(list(world, *kept, {.from = Core::From::here}).names ==
        Names{"/empty", "/hello", "/link", "/other", "/zero/deep"});
  CHECK(text(world.run(kept->get("hello", Core::From::here))) == "hello wide world");
  CHECK(text(world.run(kept->get("/zero//deep", Core::From::here))) == "other");
  CHECK(text(world.run(kept->get("empty", Core::From::here))).empty());
  CHECK(world.run(kept->get("hello", Core::From::here, {15})).error() == EngineErrc::out_of_range);
  CHECK(world.run(kept->get("nothing", Core::From::here)).error() == EngineErrc::not_found);
  CHECK(world.run(kept->get("link", Core::From::here)).error() == EngineErrc::no_contents);
  CHECK(world.run(kept->get("../out", Core::From::here)).error() == EngineErrc::bad_name);
  CHECK(world.run(kept->entry("/", Core::From::here)).error() == EngineErrc::bad_name);
}

TEST_CASE("a sparse node fetches what is read, wherever reading begins") {
  World world;
  Node& writer = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Drive drive(world, writer);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  auto middle = world.run(archive.read("hello", {.offset = {8}, .length = ByteCount{5}}));
  REQUIRE(middle.has_value());
  CHECK(text(world.run(middle->next())) == "de ");
  CHECK(middle->position() == ByteCount{11});
  CHECK(text(world.run(middle->next())) == "wo");
  CHECK(text(world.run(middle->next())).empty());
  middle->seek({14});
  CHECK(text(world.run(middle->next())) == "ld");
  CHECK(text(world.run(middle->next())).empty());
  middle->seek({99});
  CHECK(text(world.run(middle->next())).empty());
  auto other = world.run(archive.entry("other"));
  REQUIRE(other.has_value());
  CHECK((*other)->local == Length{0});
  CHECK(world.run(archive.get("other", Core::From::here)).error() == EngineErrc::not_available);
}

TEST_CASE("contents whose core has not come yet are not here, whatever the entries say of them") {
  World world;
  Node& elsewhere = world.add();
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, elsewhere);
  DriveEntry mapped = file(4, 21, 1, 11);
  mapped.blob->mapped = true;
  drive.tree.put("/mapped", mapped);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.until([&] { return world.run(archive.info())->version == Version{7}; }));
  CHECK(list(world, archive, {.from = Core::From::here}).names.size() == 6);
  CHECK(world.run(archive.entry("hello", Core::From::here)).value()->local == Length{0});
  CHECK(world.run(archive.get("hello", Core::From::here)).error() == EngineErrc::not_available);
  CHECK(world.run(archive.get("mapped", Core::From::here)).error() == EngineErrc::not_available);
  auto middle = world.run(archive.read("hello", {.offset = {8}, .from = Core::From::here}));
  REQUIRE(middle.has_value());
  CHECK(world.run(middle->next()).error() == EngineErrc::not_available);
}

TEST_CASE("a folder is listed in either direction, without what is ignored, and flat") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  for (int i = 0; i < 600; ++i) drive.tree.put("/many/" + std::to_string(1000 + i) + "/x", file(3, 16, 1, 5));
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.run(archive.update()).has_value());
  CHECK(list(world, archive).names.size() == 605);
  CHECK(list(world, archive, {.ignore = {"many"}, .reverse = true}).names ==
        Names{"/zero/deep", "/other", "/link", "/hello", "/empty"});
  CHECK(list(world, archive, {.folder = "many", .limit = 2}).names == Names{"/many/1000/x", "/many/1001/x"});
  CHECK(list(world, archive, {.recursive = false}).names ==
        Names{"/empty", "/hello", "/link", "/many/1000/x", "/other", "/zero/deep"});
  CHECK(list(world, archive, {.folder = "/hello"}).names.empty());
}

TEST_CASE("a checkout stays what it was, and the archive goes on") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.until([&] { return world.run(archive.info())->version == Version{6}; }));
  Archive old = archive.checkout(Version{3});
  CHECK(list(world, old).names == Names{"/hello", "/other"});
  CHECK(list(world, archive).names.size() == 5);
  CHECK(world.run(archive.checkout(Version{99}).entry("hello", Core::From::here)).error() ==
        EngineErrc::out_of_range);

  drive.tree.put("/new", file(3, 16, 1, 5));
  REQUIRE(world.run(db.append(Bytes(drive.tree.blocks.back()))).has_value());
  CHECK(text(world.run(archive.checkout(Version{7}).get("new"))) == "other");
  CHECK(list(world, old).names == Names{"/hello", "/other"});
}

TEST_CASE("what is no entry is left out of a list, counted, and malformed when it is asked for") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  drive.tree.put("/bad", as_bytes(std::string_view("{\"blob\":7}")));
  drive.tree.put("/worse", as_bytes(std::string_view("not JSON")));
  drive.tree.put("/liar", file(0, 0, 1, 100));  // has no 100 bytes
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.run(archive.update()).has_value());
  const Listed listed = list(world, archive);
  CHECK(listed.names == Names{"/empty", "/hello", "/liar", "/link", "/other", "/zero/deep"});
  CHECK(listed.unreadable == 2);
  CHECK(world.run(archive.entry("bad")).error() == ProtocolErrc::malformed);
  CHECK(world.run(archive.get("liar")).error() == ProtocolErrc::malformed);
  CHECK(text(world.run(archive.get("hello"))) == "hello wide world");
}

TEST_CASE("a db core that is no tree harms nothing else") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Core junk = create(world, writer, "junk", {Buffer(100, std::byte{0xff}), Buffer(100, std::byte{0xff})});
  Archive broken = follow(world, reader, junk.key());
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.until([&] { return world.run(broken.info())->version == Version{2}; }));
  CHECK(world.run(broken.entry("hello")).error() == EngineErrc::wrong_key);  // as noise of an encrypted one
  CHECK(text(world.run(archive.get("hello"))) == "hello wide world");
}

TEST_CASE("forgetting an archive forgets both its cores, and its blobs core goes by no other way") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Drive drive(world, writer);
  Core db = create(world, writer, "db", drive.tree.blocks);
  Archive archive = follow(world, reader, db.key());
  world.join(reader, writer);
  REQUIRE(world.run(archive.blobs_key()).value() == drive.blobs);
  CHECK(world.run(reader.forget(drive.blobs)).error() == EngineErrc::refused);
  CHECK(world.run(reader.cores())->size() == 2);
  REQUIRE(world.run(reader.forget(db.key())).has_value());
  CHECK(world.run(reader.cores())->empty());
  CHECK(world.run(reader.archives())->empty());
  CHECK(world.run(archive.entry("hello")).error() == EngineErrc::not_found);
}

TEST_CASE("a bare core does not become an archive") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Core log = create(world, writer, "log", contents());
  REQUIRE(world.run(reader.follow(log.key())).has_value());
  CHECK(world.run(reader.follow_archive(log.key())).error() == EngineErrc::exists);
  CHECK(world.run(reader.archive(log.key())).error() == EngineErrc::not_found);
}
