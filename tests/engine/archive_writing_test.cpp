// The archive that a node writes: what is put, seen at once and by followers; what is seen when writing stops
// halfway; one writer at a time.
#include <doctest/doctest.h>

#include "tests/support/cores.hpp"
#include "tests/support/vectors.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Archive init(World& world, Node& node) {
  auto archive = world.run(node.init_archive());
  REQUIRE(archive.has_value());
  return std::move(*archive);
}

Bytes bytes_of(std::string_view text) { return as_bytes(text); }

Version put(World& world, Archive& archive, const std::string& name, std::string_view text,
            EntryTraits traits = {}) {
  const auto version = world.run(archive.put(name, bytes_of(text), std::move(traits)));
  REQUIRE_MESSAGE(version.has_value(), name);
  return *version;
}

std::string text(const Result<Buffer>& bytes) {
  REQUIRE(bytes.has_value());
  return std::string(as_text(*bytes));
}

std::vector<std::string> names(World& world, Archive& archive) {
  auto entries = world.run(archive.list());
  REQUIRE(entries.has_value());
  std::vector<std::string> out;
  for (;;) {
    auto entry = world.run(entries->next());
    REQUIRE(entry.has_value());
    if (!*entry) return out;
    out.push_back((*entry)->name);
  }
}

Buffer pattern(std::size_t size) {
  Buffer out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + i / 65536);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the own archive is made once, and is the same after a restart") {
  World world;
  Node& node = world.add();
  CHECK(!*world.run(node.own_archive()));
  Archive archive = init(world, node);
  const CoreKey key = archive.key();
  CHECK(init(world, node).key() == key);
  CHECK(*world.run(node.own_archive()) == key);
  CHECK(world.run(node.archives()).value() == std::vector<CoreKey>{key});
  auto info = world.run(archive.info());
  CHECK(info->writable);
  CHECK(info->version == Version{1});
  CHECK(info->complete);
  put(world, archive, "hello.txt", "hello");

  Node& again = world.restart(node);
  CHECK(*world.run(again.own_archive()) == key);
  Archive kept = init(world, again);
  CHECK(kept.key() == key);
  CHECK(text(world.run(kept.get("hello.txt"))) == "hello");
  CHECK(put(world, kept, "other", "x") == Version{3});
}

TEST_CASE("a forgotten own archive does not come back: the next one has another key") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  put(world, archive, "a", "1");
  CHECK(world.run(node.forget(archive.key())).error() == EngineErrc::refused);
  REQUIRE(world.run(node.forget(archive.key(), true)).has_value());
  CHECK(!*world.run(node.own_archive()));
  CHECK(world.run(archive.put("b", {})).error() == EngineErrc::not_found);
  Archive next = init(world, node);
  CHECK(next.key() != archive.key());
  CHECK(names(world, next).empty());
}

TEST_CASE("what is put is there, as it was said") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  CHECK(put(world, archive, "/docs//a.txt", "one") == Version{2});
  CHECK(put(world, archive, "docs/a.txt", "two!") == Version{3});
  EntryTraits traits;
  traits.executable = true;
  traits.metadata = R"({ "mtime": 7, "x": [1] })";
  put(world, archive, "run", "", traits);
  CHECK(world.run(archive.symlink("link", "docs/a.txt")).value() == Version{5});
  CHECK(world.run(archive.put_entry("note", traits)).value() == Version{6});

  CHECK(names(world, archive) == Names{"/docs/a.txt", "/link", "/note", "/run"});
  CHECK(text(world.run(archive.get("docs/a.txt"))) == "two!");
  auto run = world.run(archive.entry("run")).value();
  CHECK(run->type == EntryType::file);
  CHECK(run->length == ByteCount{0});
  CHECK(run->executable);
  CHECK(run->metadata == R"({"mtime":7,"x":[1]})");
  CHECK(run->mtime_ms == 7);
  CHECK(run->version == Version{4});
  CHECK(world.run(archive.entry("link")).value()->linkname == "docs/a.txt");
  CHECK(world.run(archive.entry("note")).value()->type == EntryType::metadata);

  EntryTraits plain;
  plain.metadata = "3";
  CHECK(world.run(archive.set_traits("docs/a.txt", plain)).value() == Version{7});
  CHECK(text(world.run(archive.get("docs/a.txt"))) == "two!");
  CHECK(world.run(archive.entry("docs/a.txt")).value()->metadata == "3");
  CHECK(world.run(archive.set_traits("nothing", plain)).error() == EngineErrc::not_found);

  CHECK(world.run(archive.del("link")).value() == Version{8});
  CHECK(!world.run(archive.del("link")).value());
  CHECK(!world.run(archive.del("docs")).value());
  CHECK(world.run(archive.info())->version == Version{8});
  CHECK(names(world, archive) == Names{"/docs/a.txt", "/note", "/run"});
}

TEST_CASE("what cannot be written is refused, and changes nothing") {
  World world;
  Node& node = world.add();
  Node& other = world.add();
  Archive archive = init(world, node);
  put(world, archive, "a", "1");
  EntryTraits bad;
  bad.metadata = "{";
  CHECK(world.run(archive.put("b", {}, bad)).error() == ProtocolErrc::malformed);
  // As deep and as large as an entry that is read may be, and no more.
  bad.metadata = std::string(65, '[') + std::string(65, ']');
  CHECK(world.run(archive.put("b", {}, bad)).error() == ProtocolErrc::malformed);
  bad.metadata = '"' + std::string((1 << 20) - 100, 'x') + '"';
  CHECK(world.run(archive.put("b", {}, bad)).error() == ProtocolErrc::malformed);
  CHECK(world.run(archive.put("../b", {})).error() == EngineErrc::bad_name);
  CHECK(world.run(archive.put("/", {})).error() == EngineErrc::bad_name);
  CHECK(world.run(archive.put("\xff", {})).error() == EngineErrc::bad_name);
  CHECK(world.run(archive.symlink("b", "")).error() == EngineErrc::bad_name);
  CHECK(world.run(archive.checkout(Version{2}).put("b", {})).error() == EngineErrc::not_writable);
  CHECK(world.run(archive.truncate(Version{0})).error() == EngineErrc::out_of_range);
  CHECK(world.run(archive.truncate(Version{3})).error() == EngineErrc::out_of_range);
  auto followed = world.run(other.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  CHECK(world.run(followed->put("b", {})).error() == EngineErrc::not_writable);
  CHECK(world.run(followed->write("b")).error() == EngineErrc::not_writable);
  CHECK(world.run(followed->batch()).error() == EngineErrc::not_writable);
  CHECK(world.run(followed->truncate(Version{1})).error() == EngineErrc::not_writable);
  auto db = world.run(node.core(archive.key()));
  REQUIRE(db.has_value());
  CHECK(world.run(db->append(bytes_of("no tree"))).error() == EngineErrc::refused);
  CHECK(world.run(db->truncate(Length{1})).error() == EngineErrc::refused);
  CHECK(world.run(archive.info())->version == Version{2});
  CHECK(world.run(archive.info())->bytes == ByteCount{1});
  EntryTraits deep;
  deep.metadata = std::string(64, '[') + std::string(64, ']');
  CHECK(world.run(archive.put_entry("b", deep)).value() == Version{3});
  CHECK(world.run(archive.entry("b")).value()->metadata == deep.metadata);
}

TEST_CASE("a file of any size is cut into blocks of 64 KiB, whatever pieces it came in") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  put(world, archive, "before", "0123456789");
  const Buffer whole = pattern(3 * 1024 * 1024 + 5);
  auto writer = world.run(archive.write("big"));
  REQUIRE(writer.has_value());
  for (std::size_t at = 0; at < whole.size(); at += 100'000)
    REQUIRE(
        world.run(writer->append(Bytes(whole).subspan(at, std::min<std::size_t>(100'000, whole.size() - at))))
            .has_value());
  CHECK(names(world, archive) == Names{"/before"});
  CHECK(world.run(writer->finish()).value() == Version{3});
  const auto entry = world.run(archive.entry("big")).value();
  CHECK(entry->length == ByteCount{whole.size()});
  CHECK(entry->blocks == Length{49});
  CHECK(entry->offset == BlobOffset{{1}, {10}});
  CHECK(entry->local == entry->blocks);
  CHECK(world.run(archive.get("big")).value() == whole);
  auto part = world.run(archive.read("big", {.offset = {2'000'000}, .length = ByteCount{3}}));
  REQUIRE(part.has_value());
  CHECK(*world.run(part->next()) == to_buffer(Bytes(whole).subspan(2'000'000, 3)));
}

TEST_CASE("a writer that is dropped leaves no entry, and the next one its turn") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  const Buffer large = pattern(2 * 1024 * 1024);
  {
    auto writer = world.run(archive.write("half"));
    REQUIRE(writer.has_value());
    REQUIRE(world.run(writer->append(large)).has_value());
  }
  CHECK(world.run(archive.info())->version == Version{1});
  put(world, archive, "whole", "abc");
  CHECK(names(world, archive) == Names{"/whole"});
  CHECK(text(world.run(archive.get("whole"))) == "abc");
  Node& again = world.restart(node);
  Archive kept = init(world, again);
  CHECK(text(world.run(kept.get("whole"))) == "abc");
}

TEST_CASE("writers of large files take turns, and small ones are lost by none") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  const Buffer large = pattern(2 * 1024 * 1024);
  int ended = 0;
  const auto write_large = [&](std::string name) -> awaitable<void> {
    auto writer = co_await archive.write(name);
    REQUIRE(writer.has_value());
    for (std::size_t at = 0; at < large.size(); at += 65536)
      REQUIRE((co_await writer->append(Bytes(large).subspan(at, 65536))).has_value());
    CHECK((co_await writer->finish()).has_value());
    ++ended;
  };
  const auto write_small = [&](std::string name) -> awaitable<void> {
    CHECK((co_await archive.put(name, as_bytes(name))).has_value());
    ++ended;
  };
  for (int i = 0; i < 3; ++i) {
    world.spawn(write_large("large" + std::to_string(i)));
    world.spawn(write_small("small" + std::to_string(i)));
  }
  REQUIRE(world.until([&] { return ended == 6; }));
  CHECK(names(world, archive).size() == 6);
  for (int i = 0; i < 3; ++i) {
    CHECK(world.run(archive.get("large" + std::to_string(i))).value() == large);
    CHECK(text(world.run(archive.get("small" + std::to_string(i)))) == "small" + std::to_string(i));
  }
}

TEST_CASE("a batch is one append: seen through itself at once, and by others when it is flushed") {
  World world;
  Node& node = world.add();
  Node& reader = world.add();
  Archive archive = init(world, node);
  put(world, archive, "old", "old");
  put(world, archive, "gone", "x");
  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  auto batch = world.run(archive.batch());
  REQUIRE(batch.has_value());
  const std::size_t many = 2000;
  for (std::size_t i = 0; i < many; ++i)
    REQUIRE(world.run(batch->put("many/" + std::to_string(i), bytes_of(std::to_string(i)))).has_value());
  auto writer = world.run(batch->write("big"));
  REQUIRE(writer.has_value());
  const Buffer large = pattern(1'500'000);
  REQUIRE(world.run(writer->append(large)).has_value());
  // What has outgrown memory lies together in the core.
  REQUIRE(world.run(batch->put("between", bytes_of("no"))).has_value());
  CHECK(world.run(writer->finish()).error() == EngineErrc::refused);
  CHECK(world.run(batch->del("gone")).value()->name == "/gone");
  CHECK(!world.run(batch->del("nothing")).value());
  EntryTraits executable;
  executable.executable = true;
  REQUIRE(world.run(batch->set_traits("old", executable)).has_value());
  REQUIRE(world.run(batch->symlink("link", "old")).has_value());
  CHECK(world.run(batch->entry("old")).value()->executable);
  CHECK(!world.run(batch->entry("gone")).value());
  CHECK(world.run(batch->entry("many/7")).value()->length == ByteCount{1});
  CHECK(!world.run(archive.entry("many/7")).value());
  CHECK(names(world, archive) == Names{"/gone", "/old"});

  const auto version = world.run(batch->flush());
  REQUIRE(version.has_value());
  CHECK(*version == Version{3 + many + 1 + 1 + 1 + 1});
  CHECK(names(world, archive).size() == many + 3);
  REQUIRE(world.until([&] { return world.run(followed->info())->version == *version; }));
  CHECK(text(world.run(followed->get("many/1999"))) == "1999");
  // Used on: the turn is taken anew.
  CHECK(put(world, archive, "other", "1") == Version{version->value + 1});
  REQUIRE(world.run(batch->put("more", bytes_of("more"))).has_value());
  CHECK(world.run(batch->flush()).value() == Version{version->value + 2});
  CHECK(text(world.run(archive.get("more"))) == "more");
  CHECK(world.run(batch->flush()).value() == Version{version->value + 2});
}

TEST_CASE("a batch that is dropped leaves no entry, and the next writer its turn") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  bool ended = false;
  {
    auto batch = world.run(archive.batch());
    REQUIRE(world.run(batch->put("a", bytes_of("1"))).has_value());
    const auto other = [&]() -> awaitable<void> {
      CHECK((co_await archive.put("b", as_bytes("2"))).has_value());
      ended = true;
    };
    world.spawn(other());
    world.pass(std::chrono::seconds(1));
    CHECK(!ended);
  }
  REQUIRE(world.until([&] { return ended; }));
  CHECK(names(world, archive) == Names{"/b"});
  CHECK(text(world.run(archive.get("b"))) == "2");
}

TEST_CASE("closing the node answers whoever waits for a turn to write") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  auto batch = world.run(archive.batch());
  REQUIRE(world.run(batch->put("a", bytes_of("1"))).has_value());
  std::optional<Result<Version>> ended;
  const auto other = [&]() -> awaitable<void> { ended.emplace(co_await archive.put("b", as_bytes("2"))); };
  world.spawn(other());
  world.pass(std::chrono::seconds(1));
  CHECK(!ended);
  world.run(node.close());
  REQUIRE(world.until([&] { return ended.has_value(); }));
  CHECK(ended->error() == EngineErrc::closed);
  CHECK(world.run(batch->flush()).error() == EngineErrc::closed);
}

TEST_CASE("an archive is wound back with its contents, and goes on from there; followers come along") {
  World world;
  Node& node = world.add();
  Node& reader = world.add();
  Archive archive = init(world, node);
  put(world, archive, "a", "first");
  put(world, archive, "b", "second");
  put(world, archive, "a", "again");
  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  REQUIRE(world.until([&] { return world.run(followed->info())->complete; }));
  REQUIRE(world.run(archive.truncate(Version{3})).has_value());
  auto info = world.run(archive.info());
  CHECK(info->version == Version{3});
  CHECK(info->fork == Fork{1});
  CHECK(info->bytes == ByteCount{11});
  CHECK(text(world.run(archive.get("a"))) == "first");
  REQUIRE(world.until([&] { return world.run(followed->info())->fork == Fork{1}; }));
  CHECK(text(world.run(followed->get("a"))) == "first");
  CHECK(put(world, archive, "c", "third") == Version{4});
  REQUIRE(world.until([&] { return world.run(followed->info())->version == Version{4}; }));
  CHECK(text(world.run(followed->get("c"))) == "third");
  CHECK(names(world, *followed) == Names{"/a", "/b", "/c"});
  REQUIRE(world.run(archive.truncate(Version{1})).has_value());
  CHECK(names(world, archive).empty());
  CHECK(world.run(archive.info())->bytes == ByteCount{0});
}

TEST_CASE("contents can be dropped here, and come back from a peer") {
  World world;
  Node& node = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Archive archive = init(world, node);
  put(world, archive, "a", "first");
  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  CHECK(text(world.run(followed->get("a"))) == "first");
  REQUIRE(world.run(followed->clear("a")).has_value());
  CHECK(world.run(followed->entry("a")).value()->local == Length{0});
  CHECK(world.run(followed->get("a", Core::From::here)).error() == EngineErrc::not_available);
  CHECK(text(world.run(followed->get("a"))) == "first");
  CHECK(world.run(followed->clear("nothing")).error() == EngineErrc::not_found);
}

TEST_CASE("the blocks that are written are those of Hyperdrive, byte for byte") {
  const auto& recorded = vectors("drive/drive-full.json");
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  std::size_t steps = 0;
  for (const auto& step : recorded["steps"]) {
    if (step["op"] == "stream") break;  // written there in chunks of 3, 4 and 5 bytes
    EntryTraits traits;
    if (step.contains("metadata")) traits.metadata = step["metadata"].dump();
    if (step.contains("opts")) {
      const auto& options = step["opts"];
      traits.executable = options.value("executable", false);
      // The order of its members is the writer's, which the parsed vector has lost.
      if (options.contains("metadata"))
        traits.metadata = R"({"title":"Né","n":1.5,"tags":["a","b"],"nil":null})";
    }
    const std::string name = step["name"];
    if (step["op"] == "put") {
      Buffer contents;
      const auto& data = step["data"];
      if (data.contains("hex"))
        contents = unhex(data["hex"]);
      else  // as the generator makes it
        for (std::uint64_t i = 0; i < data["byteLength"]; ++i)
          contents.push_back(
              static_cast<std::byte>((i * 7 + (i >> 8) * 13 + data["pattern"].get<std::uint64_t>()) & 255));
      CHECK(world.run(archive.put(name, contents, traits)).has_value());
    } else if (step["op"] == "symlink") {
      CHECK(world.run(archive.symlink(name, step["linkname"], traits)).has_value());
    } else {
      REQUIRE(step["op"] == "del");
      CHECK(world.run(archive.del(name)).value());
    }
    ++steps;
  }
  REQUIRE(steps == 15);
  const auto info = world.run(archive.info());
  const auto same = [&](const CoreKey& key, const nlohmann::json& blocks) {
    auto core = world.run(node.core(key));
    REQUIRE(core.has_value());
    const Length length = world.run(core->info())->length;
    for (std::uint64_t i = 0; i < length.value; ++i)
      CHECK(to_hex(*world.run(core->get(BlockIndex{i}))) == blocks[i]);
    return length;
  };
  CHECK(same(archive.key(), recorded["db"]["blocks"]) == Length{16});
  CHECK(same(*info->blobs_key, recorded["blobs"]["blocks"]) == Length{12});
}

TEST_CASE("an archive that was made with an encryption key is carried without it and read with it") {
  World world;
  Node& node = world.add();
  Node& carrier = world.add();
  Node& reader = world.add();
  const auto secret = EncryptionKey::from(numbered_block(7, 32));
  const auto other = EncryptionKey::from(numbered_block(8, 32));
  auto made = world.run(node.init_archive({secret}));
  REQUIRE(made.has_value());
  Archive archive = std::move(*made);
  CHECK(world.run(node.init_archive()).has_value());
  CHECK(world.run(node.init_archive({secret})).has_value());
  CHECK(world.run(node.init_archive({other})).error() == EngineErrc::exists);
  put(world, archive, "plain/name", "told to few");
  const Buffer large = pattern(200'000);
  REQUIRE(world.run(archive.put("large", large)).has_value());
  CHECK(world.run(archive.info())->bytes == ByteCount{200'011});

  auto carried = world.run(carrier.follow_archive(archive.key()));
  REQUIRE(carried.has_value());
  auto& first = world.join(carrier, node, Until::complete);
  REQUIRE(world.until([&] { return first.a_ended.has_value(); }));
  auto db = world.run(carrier.core(archive.key()));
  REQUIRE(world.run(db->info())->length == Length{3});
  CHECK(world.run(carried->list()).value().version() == Version{3});
  CHECK(world.run(carried->history()).error() == EngineErrc::wrong_key);
  CHECK(as_text(*world.run(db->get(BlockIndex{0}))).find("hyperbee") == std::string_view::npos);
  CHECK(as_text(*world.run(db->get(BlockIndex{1}))).find("plain/name") == std::string_view::npos);

  auto followed =
      world.run(reader.follow_archive(archive.key(), {.encryption_key = secret, .is_private = false}));
  REQUIRE(followed.has_value());
  world.join(reader, carrier, Until::complete);  // which cannot read what it passes on
  CHECK(text(world.run(followed->get("plain/name"))) == "told to few");
  CHECK(*world.run(followed->get("large")) == large);
  world.join(reader, node);
  REQUIRE(world.run(archive.truncate(Version{2})).has_value());
  put(world, archive, "after", "on the next fork");
  REQUIRE(world.until([&] { return world.run(followed->info())->fork == Fork{1}; }));
  CHECK(text(world.run(followed->get("after"))) == "on the next fork");
}

TEST_CASE("an encrypted archive moves with its encryption key") {
  World world;
  Node& node = world.add();
  auto archive = world.run(node.init_archive({EncryptionKey::from(numbered_block(7, 32))}));
  REQUIRE(archive.has_value());
  put(world, *archive, "a", "1");
  Node& carrier = world.add();
  REQUIRE(world.run(carrier.follow_archive(archive->key())).has_value());
  auto& first = world.join(carrier, node, Until::complete);
  REQUIRE(world.until([&] { return first.a_ended.has_value(); }));
  auto keys = world.run(node.export_keys());
  REQUIRE(keys.has_value());

  Node& again = world.restart(node);
  Archive kept = init(world, again);
  CHECK(text(world.run(kept.get("a"))) == "1");
  world.run(again.close());

  Node& fresh = world.add();
  REQUIRE(world.run(fresh.import_keys(*keys)).has_value());
  Archive moved = init(world, fresh);
  CHECK(moved.key() == kept.key());
  world.join(fresh, carrier);
  REQUIRE(world.until([&] { return world.run(moved.info())->version == Version{2}; }));
  CHECK(text(world.run(moved.get("a"))) == "1");
  put(world, moved, "second/name", "2");
  auto db = world.run(carrier.core(moved.key()));
  REQUIRE(world.until([&] { return world.run(db->info())->length == Length{3}; }));
  CHECK(as_text(*world.run(db->get(BlockIndex{2}))).find("second/name") == std::string_view::npos);
}

TEST_CASE("symlinks are followed as Hyperdrive does it, and not for ever") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  put(world, archive, "dir/a", "1");
  const auto link = [&](const std::string& name, const std::string& text) {
    REQUIRE(world.run(archive.symlink(name, text)).has_value());
  };
  link("absolute", "/dir/a");
  link("dir/l", "../a");  // as if the link were a folder
  link("twice", "/absolute");
  link("missing", "/nothing");
  link("out", "../../x");
  link("loop", "/loop");
  const auto end = [&](const std::string& name) { return world.run(archive.follow(name)); };
  CHECK(end("absolute").value()->name == "/dir/a");
  CHECK(end("dir/l").value()->name == "/dir/a");
  CHECK(end("twice").value()->name == "/dir/a");
  CHECK(end("dir/a").value()->name == "/dir/a");
  CHECK(!end("missing").value());
  CHECK(end("out").error() == EngineErrc::bad_name);
  CHECK(end("loop").error() == EngineErrc::too_many_links);
}

TEST_CASE("a folder's names are each given once, in order") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  for (const char* name : {"a", "a-b", "a/b", "a0", "docs/x", "docs/y", "docs0"})
    put(world, archive, name, "");
  const auto names_in = [&](const std::string& folder) { return world.run(archive.readdir(folder)).value(); };
  CHECK(names_in("/") == Names{"a", "a-b", "a0", "docs", "docs0"});
  CHECK(names_in("docs") == Names{"x", "y"});
  CHECK(names_in("nothing").empty());
}

TEST_CASE("what changed between two versions, below a folder") {
  World world;
  Node& node = world.add();
  Archive archive = init(world, node);
  put(world, archive, "docs/kept", "1");
  put(world, archive, "docs/changed", "1");
  put(world, archive, "docs/gone", "1");
  put(world, archive, "other", "1");
  const Version before = world.run(archive.info())->version;
  put(world, archive, "docs/changed", "22");
  put(world, archive, "docs/new", "333");
  put(world, archive, "other", "1");
  REQUIRE(world.run(archive.del("docs/gone")).has_value());
  auto changes = world.run(archive.diff(before, "docs"));
  REQUIRE(changes.has_value());
  CHECK(changes->version() == Version{before.value + 4});
  std::vector<std::string> seen;
  for (;;) {
    auto change = world.run(changes->next());
    REQUIRE(change.has_value());
    if (!*change) break;
    const auto shown = [](const std::optional<Entry>& entry) {
      return entry ? entry->name + " " + std::to_string(entry->length->value) : std::string("nothing");
    };
    seen.push_back(shown((*change)->before) + " -> " + shown((*change)->now));
  }
  CHECK(seen ==
        Names{"/docs/changed 1 -> /docs/changed 2", "/docs/gone 1 -> nothing", "nothing -> /docs/new 3"});
}

TEST_CASE("the history tells every write in its order, from a version on, and backwards") {
  World world;
  Node& node = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Archive archive = init(world, node);
  CHECK(!*world.run(world.run(archive.history())->next()));
  put(world, archive, "a", "1");
  put(world, archive, "a", "22");
  REQUIRE(world.run(archive.symlink("link", "a")).has_value());
  REQUIRE(world.run(archive.del("a")).has_value());
  put(world, archive, "b", "333");
  const auto told = [&](Archive& of, HistoryOptions options) {
    auto history = world.run(of.history(options));
    REQUIRE(history.has_value());
    Names out;
    for (;;) {
      auto one = world.run(history->next());
      REQUIRE(one.has_value());
      if (!*one) break;
      const Operation& it = **one;
      std::string what = "deleted";
      if (it.entry && it.entry->type == EntryType::symlink) what = it.entry->linkname;
      if (it.entry && it.entry->type == EntryType::file) what = std::to_string(it.entry->length->value);
      if (it.entry) CHECK(it.entry->version == it.version);
      out.push_back(std::to_string(it.version.value) + " " + it.name + " " + what);
    }
    CHECK(history->unreadable() == 0);
    return out;
  };
  const Names all{"2 /a 1", "3 /a 2", "4 /link a", "5 /a deleted", "6 /b 3"};
  CHECK(told(archive, {}) == all);
  CHECK(told(archive, {.reverse = true}) == Names(all.rbegin(), all.rend()));
  CHECK(told(archive, {.after = {4}}) == Names(all.begin() + 3, all.end()));
  CHECK(told(archive, {.after = {9}}).empty());
  Archive old = archive.checkout({3});
  CHECK(told(old, {}) == Names(all.begin(), all.begin() + 2));

  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  CHECK(told(*followed, {}) == all);  // of which nothing was here
}

TEST_CASE("a watch steps whenever something below its folder has changed, at a follower too") {
  World world;
  Node& node = world.add();
  Node& reader = world.add();
  Archive archive = init(world, node);
  put(world, archive, "docs/a", "1");
  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  REQUIRE(world.until([&] { return world.run(followed->info())->complete; }));
  auto watch = world.run(followed->watch("docs"));
  REQUIRE(watch.has_value());
  std::vector<std::pair<Version, Version>> steps;
  const auto collect = [&]() -> awaitable<void> {
    for (;;) {
      auto step = co_await watch->next();
      if (!step) co_return;
      steps.emplace_back(*step->before.version(), *step->now.version());
    }
  };
  world.spawn(collect());
  put(world, archive, "other", "1");
  REQUIRE(world.until([&] { return world.run(followed->info())->version == Version{3}; }));
  world.pass(std::chrono::seconds(1));
  CHECK(steps.empty());
  put(world, archive, "docs/b", "1");
  REQUIRE(world.until([&] { return steps.size() == 1; }));
  CHECK(steps.front() == std::pair(Version{3}, Version{4}));
  REQUIRE(world.run(archive.truncate(Version{2})).has_value());
  REQUIRE(world.until([&] { return steps.size() == 2; }));
  CHECK(steps.back().second == Version{2});
  world.run(reader.close());
}

TEST_CASE("what of a folder's contents is missing can be counted, fetched and dropped") {
  World world;
  Node& node = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Archive archive = init(world, node);
  const Buffer three = pattern(3 * 65536);
  REQUIRE(world.run(archive.put("docs/three", three)).has_value());
  put(world, archive, "docs/one", "1");
  put(world, archive, "else", "2");
  auto followed = world.run(reader.follow_archive(archive.key()));
  REQUIRE(followed.has_value());
  world.join(reader, node);
  REQUIRE(world.run(followed->readdir("docs")).has_value());
  CHECK(world.run(followed->missing("docs")).value() == Length{4});
  CHECK(world.run(followed->missing("docs/three")).value() == Length{3});
  REQUIRE(world.run(followed->download("docs")).has_value());
  CHECK(world.run(followed->missing("docs")).value() == Length{0});
  CHECK(world.run(followed->missing()).value() == Length{1});
  REQUIRE(world.run(followed->clear("docs/three")).has_value());
  CHECK(world.run(followed->missing("docs")).value() == Length{3});
  CHECK(world.run(followed->missing("nothing")).error() == EngineErrc::not_found);
  REQUIRE(world.run(followed->download()).has_value());
  CHECK(world.run(followed->missing()).value() == Length{0});
}
