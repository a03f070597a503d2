// The bundle, row by row of what the multi-writer store it descends from does (HM-01 to HM-36), in the better
// form where that one failed.
#include "sheaf/engine/bundle.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>

#include "tests/support/cores.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

struct Peer {
  Node& node;
  Bundle bundle;
  CoreKey key;
};

Peer peer(World& world) {
  Node& node = world.add();
  Bundle bundle(node);
  const auto key = world.run(bundle.key());
  REQUIRE(key.has_value());
  return {node, std::move(bundle), *key};
}

void write(World& world, Bundle& bundle, const std::string& name, std::string_view text) {
  auto writer = world.run(bundle.write(name));
  REQUIRE(writer.has_value());
  REQUIRE(world.run(writer->append(as_bytes(text))).has_value());
  REQUIRE(world.run(writer->finish()).has_value());
}

std::string read(World& world, Bundle& bundle, const std::string& name, const CoreKey& link) {
  auto reader = world.run(bundle.read(name, link));
  REQUIRE(reader.has_value());
  Buffer out;
  for (;;) {
    auto part = world.run(reader->next());
    REQUIRE(part.has_value());
    if (part->empty()) return std::string(as_text(out));
    append(out, *part);
  }
}

using Line = std::pair<std::string, CoreKey>;

std::vector<Line> list(World& world, Bundle& bundle, std::string prefix = "/") {
  BundleListOptions options;
  options.prefix = std::move(prefix);
  auto entries = world.run(bundle.list(options));
  REQUIRE(entries.has_value());
  std::vector<Line> out;
  for (;;) {
    auto entry = world.run(entries->next());
    REQUIRE(entry.has_value());
    if (!*entry) return out;
    out.emplace_back((*entry)->name, (*entry)->link);
  }
}

std::vector<Line> sorted(std::vector<Line> lines) {
  std::ranges::sort(lines);
  return lines;
}

void add(World& world, Bundle& bundle, const CoreKey& key) {
  REQUIRE(world.run(bundle.add(key)).has_value());
}

// One connection, until it is complete.
void sync(World& world, Peer& a, Peer& b) {
  auto& join = world.join(a.node, b.node, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  REQUIRE(join.a_ended->has_value());
}

// Takes what a live list gives until somebody stops it.
struct Live {
  std::vector<Line> lines;
  std::optional<Error> ended;
};

awaitable<void> follow(BundleList& entries, Live& out) {
  for (;;) {
    auto entry = co_await entries.next();
    if (!entry) {
      out.ended = entry.error();
      co_return;
    }
    REQUIRE(entry->has_value());
    out.lines.emplace_back((*entry)->name, (*entry)->link);
  }
}

awaitable<void> collect(ArchiveEvents& events, std::vector<ArchiveEvent>& out, bool& ended) {
  for (;;) {
    auto event = co_await events.next();
    if (!event) break;
    out.push_back(*event);
  }
  ended = true;
}

}  // namespace

TEST_CASE("HM-01: one own writable archive, with the same key after reopening; errors are the call's") {
  World world;
  auto store = memory_backend({.random = &world.random()});
  REQUIRE(store->open().has_value());
  auto bundle = world.run(Bundle::open(*store, world.environment()));
  REQUIRE(bundle.has_value());
  const CoreKey key = world.run((*bundle)->key()).value();
  auto archives = world.run((*bundle)->archives());
  REQUIRE(archives->size() == 1);
  CHECK(archives->front().key == key);
  CHECK(archives->front().writable);
  world.run((*bundle)->close());
  world.run((*bundle)->close());
  CHECK(world.run((*bundle)->own()).error() == EngineErrc::closed);

  auto again = world.run(Bundle::open(*store, world.environment()));
  REQUIRE(again.has_value());
  CHECK(world.run((*again)->key()).value() == key);
  world.run((*again)->close());
  REQUIRE(store->close().has_value());
  CHECK(world.run(Bundle::open(*store, world.environment())).has_error());
}

TEST_CASE("HM-02: own key and followed keys survive a restart; two that are added at once are both kept") {
  World world;
  Peer a = peer(world), b = peer(world), c = peer(world);
  int added = 0;
  const auto add_one = [&](CoreKey key) -> awaitable<void> {
    CHECK((co_await a.bundle.add(key)).has_value());
    ++added;
  };
  world.spawn(add_one(b.key));
  world.spawn(add_one(c.key));
  REQUIRE(world.until([&] { return added == 2; }));
  Node& again = world.restart(a.node);
  std::vector<CoreKey> all{a.key, b.key, c.key};
  std::ranges::sort(all);
  CHECK(world.run(again.archives()).value() == all);
  CHECK(*world.run(again.own_archive()) == a.key);
}

TEST_CASE(
    "HM-03, HM-04: a stream becomes a file when it is finished; entries without contents are put as given") {
  World world;
  Peer a = peer(world);
  auto writer = world.run(a.bundle.write("file", EntryTraits(true, R"({"mtime":5})")));
  REQUIRE(writer.has_value());
  REQUIRE(world.run(writer->append(as_bytes("contents"))).has_value());
  CHECK(list(world, a.bundle).empty());
  REQUIRE(world.run(writer->finish()).has_value());
  const auto file = world.run(a.bundle.get("file", a.key)).value();
  REQUIRE(file.has_value());
  CHECK(file->executable);
  CHECK(file->mtime_ms == 5);
  CHECK(file->length == ByteCount{8});

  REQUIRE(world.run(a.bundle.append("note", {}, EntryTraits(false, R"("metadata")"))).has_value());
  REQUIRE(world.run(a.bundle.append("link", "file")).has_value());
  CHECK(world.run(a.bundle.get("note", a.key)).value()->type == EntryType::metadata);
  CHECK(world.run(a.bundle.get("link", a.key)).value()->linkname == "file");
  CHECK(world.run(a.bundle.append("../out")).error() == EngineErrc::bad_name);
}

TEST_CASE(
    "HM-05, HM-07, HM-34: all entries of all archives, by name and then link; what is not here is named") {
  World world;
  Peer a = peer(world), b = peer(world);
  write(world, a.bundle, "hello.txt", "HI");
  write(world, a.bundle, "docs/a", "1");
  write(world, b.bundle, "hello.txt", "HOWDY");
  add(world, a.bundle, b.key);
  auto entries = world.run(a.bundle.list());
  REQUIRE(entries.has_value());
  REQUIRE(entries->incomplete().size() == 1);
  CHECK(entries->incomplete().front().link == b.key);
  CHECK(entries->incomplete().front().why == BundleList::Incomplete::Why::nothing_here);
  CHECK(list(world, a.bundle) == std::vector<Line>{{"/docs/a", a.key}, {"/hello.txt", a.key}});

  sync(world, a, b);
  std::vector<Line> both = sorted({{"/hello.txt", a.key}, {"/hello.txt", b.key}});
  CHECK(list(world, a.bundle, "hello.txt") == both);
  both.insert(both.begin(), {"/docs/a", a.key});
  CHECK(list(world, a.bundle) == both);
  CHECK(list(world, a.bundle, "docs") == std::vector<Line>{{"/docs/a", a.key}});
  CHECK(list(world, a.bundle, "docs/a") == std::vector<Line>{{"/docs/a", a.key}});
  CHECK(list(world, a.bundle, "doc").empty());
}

TEST_CASE("an archive that cannot be read is named, and the others are listed all the same") {
  using Why = BundleList::Incomplete::Why;
  World world;
  Peer a = peer(world);
  write(world, a.bundle, "hello.txt", "HI");
  Node& secretive = world.add();
  const auto key = EncryptionKey::from(numbered_block(7, 32));
  auto sealed = world.run(secretive.init_archive({key}));
  REQUIRE(sealed.has_value());
  REQUIRE(world.run(sealed->put("secret", as_bytes("told to few"))).has_value());
  Node& careless = world.add();
  auto blobs = world.run(careless.create_core("blobs"));
  REQUIRE(blobs.has_value());
  DbBlocks tree(header_naming(blobs->key()));
  tree.put("/file", file(0, 0, 0, 0));
  tree.blocks.push_back(numbered_block(3, 100));
  auto broken = world.run(careless.create_core("db"));
  REQUIRE(broken.has_value());
  const std::vector<Bytes> views(tree.blocks.begin(), tree.blocks.end());
  REQUIRE(world.run(broken->append(views)).has_value());

  const auto fetch = [&](const CoreKey& archive, Node& from) {
    add(world, a.bundle, archive);
    auto& join = world.join(a.node, from, Until::complete);
    REQUIRE(world.until([&] { return join.a_ended.has_value(); }));
  };
  fetch(sealed->key(), secretive);
  fetch(broken->key(), careless);
  auto entries = world.run(a.bundle.list());
  REQUIRE(entries.has_value());
  CHECK((*world.run(entries->next()))->link == a.key);
  CHECK(!*world.run(entries->next()));
  std::map<CoreKey, Why> left_out;
  for (const auto& one : entries->incomplete()) left_out[one.link] = one.why;
  CHECK(left_out == std::map<CoreKey, Why>{{sealed->key(), Why::no_key}, {broken->key(), Why::malformed}});

  REQUIRE(world.run(a.node.follow_archive(sealed->key(), {.encryption_key = key, .is_private = false}))
              .has_value());
  CHECK(list(world, a.bundle, "secret") == std::vector<Line>{{"/secret", sealed->key()}});
}

TEST_CASE("HM-06: a live list goes on with what is put, fetched and added, and only when it is asked to") {
  World world;
  Peer a = peer(world), b = peer(world), c = peer(world);
  write(world, a.bundle, "first", "1");
  add(world, a.bundle, b.key);
  BundleListOptions options;
  options.live = true;
  auto entries = world.run(a.bundle.list(options));
  REQUIRE(entries.has_value());
  Live live;
  world.spawn(follow(*entries, live));
  REQUIRE(world.until([&] { return live.lines.size() == 1; }));
  write(world, a.bundle, "second", "2");
  REQUIRE(world.until([&] { return live.lines.size() == 2; }));
  write(world, b.bundle, "of b", "3");
  world.join(a.node, b.node);
  REQUIRE(world.until([&] { return live.lines.size() == 3; }));
  write(world, c.bundle, "of c", "4");
  add(world, a.bundle, c.key);
  world.join(a.node, c.node);
  REQUIRE(world.until([&] { return live.lines.size() == 4; }));
  write(world, b.bundle, "more of b", "5");
  REQUIRE(world.until([&] { return live.lines.size() == 5; }));
  CHECK(
      live.lines ==
      std::vector<Line>{
          {"/first", a.key}, {"/second", a.key}, {"/of b", b.key}, {"/of c", c.key}, {"/more of b", b.key}});
  // Wound back, the archive goes on from there.
  auto own = world.run(a.bundle.own());
  REQUIRE(world.run(own->truncate(Version{2})).has_value());
  write(world, a.bundle, "third", "6");
  REQUIRE(world.until([&] { return live.lines.size() == 6; }));
  CHECK(live.lines.back() == Line{"/third", a.key});
  REQUIRE(world.run(own->del("third")).has_value());
  REQUIRE(world.run(a.bundle.forget(c.key)).has_value());
  write(world, a.bundle, "last", "7");
  REQUIRE(world.until([&] { return live.lines.size() == 7; }));
  CHECK(live.lines.back() == Line{"/last", a.key});
  world.run(a.node.close());
  REQUIRE(world.until([&] { return live.ended.has_value(); }));
  CHECK(*live.ended == EngineErrc::closed);
}

TEST_CASE("HM-08: one entry a name, the latest; older ones through a checkout") {
  World world;
  Peer a = peer(world);
  write(world, a.bundle, "hello.txt", "old");
  write(world, a.bundle, "hello.txt", "new one");
  CHECK(list(world, a.bundle).size() == 1);
  CHECK(read(world, a.bundle, "hello.txt", a.key) == "new one");
  auto own = world.run(a.bundle.own());
  Archive before = own->checkout(Version{2});
  CHECK(as_text(*world.run(before.get("hello.txt"))) == "old");
  auto changes = world.run(own->diff(Version{2}));
  REQUIRE(changes.has_value());
  const auto change = world.run(changes->next()).value();
  REQUIRE(change.has_value());
  CHECK(change->now->length == ByteCount{7});
  CHECK(change->before->length == ByteCount{3});
  CHECK(!world.run(changes->next()).value());
}

TEST_CASE(
    "HM-09, HM-10, HM-11: name and link are enough to read, get and download; an unknown link is not found") {
  World world;
  Peer a = peer(world);
  NodeOptions sparse;
  sparse.sparse = true;
  Node& node = world.add(sparse);
  Bundle reader(node);
  write(world, a.bundle, "one", "first");
  write(world, a.bundle, "two", "second");
  add(world, reader, a.key);
  world.join(node, a.node);
  const auto entry = world.run(reader.get("one", a.key)).value();
  REQUIRE(entry.has_value());
  CHECK(entry->local == Length{0});
  CHECK(read(world, reader, "one", a.key) == "first");
  REQUIRE(world.run(reader.download("two", a.key)).has_value());
  CHECK(world.run(reader.get("two", a.key)).value()->local == Length{1});
  auto archive = world.run(reader.archive(a.key));
  CHECK(world.run(archive->missing()).value() == Length{0});

  CoreKey unknown{};
  CHECK(world.run(reader.get("one", unknown)).error() == EngineErrc::not_found);
  CHECK(world.run(reader.read("one", unknown)).error() == EngineErrc::not_found);
  CHECK(world.run(reader.download("one", unknown)).error() == EngineErrc::not_found);
  CHECK(world.run(reader.read("nothing", a.key)).error() == EngineErrc::not_found);
  CHECK(world.run(reader.download("nothing", a.key)).error() == EngineErrc::not_found);
  CHECK(!world.run(reader.get("nothing", a.key)).value());
}

TEST_CASE("HM-12: a cursor gives the bytes from where it is set") {
  World world;
  Peer a = peer(world);
  write(world, a.bundle, "file", "0123456789");
  auto cursor = world.run(a.bundle.read("file", a.key));
  REQUIRE(cursor.has_value());
  cursor->seek({7});
  CHECK(as_text(*world.run(cursor->next())) == "789");
  CHECK(world.run(cursor->next())->empty());
  cursor->seek({0});
  CHECK(as_text(*world.run(cursor->next())) == "0123456789");
  REQUIRE(world.run(a.bundle.append("link", "file")).has_value());
  CHECK(world.run(a.bundle.read("link", a.key)).error() == EngineErrc::no_contents);
}

TEST_CASE("HM-13: archives, downloads and uploads are told of, also for archives that came later") {
  World world;
  Peer a = peer(world), b = peer(world);
  write(world, a.bundle, "before", "12345");
  auto at_a = world.run(a.bundle.watch());
  auto at_b = world.run(b.bundle.watch());
  REQUIRE(at_a.has_value());
  REQUIRE(at_b.has_value());
  std::vector<ArchiveEvent> of_a, of_b;
  bool a_ended = false, b_ended = false;
  world.spawn(collect(*at_a, of_a, a_ended));
  world.spawn(collect(*at_b, of_b, b_ended));
  add(world, b.bundle, a.key);
  REQUIRE(world.until([&] { return of_b.size() == 1; }));
  CHECK(of_b.front().link == a.key);
  CHECK(of_b.front().added);
  world.join(b.node, a.node);
  const auto blocks = [](const std::vector<ArchiveEvent>& events, Length ArchiveEvent::*which) {
    std::uint64_t sum = 0;
    for (const ArchiveEvent& event : events) sum += (event.*which).value;
    return sum;
  };
  // Header, entry, contents.
  REQUIRE(world.until([&] { return blocks(of_b, &ArchiveEvent::downloaded) == 3; }));
  REQUIRE(world.until([&] { return blocks(of_a, &ArchiveEvent::uploaded) == 3; }));
  write(world, a.bundle, "after", "x");
  REQUIRE(world.until([&] { return blocks(of_b, &ArchiveEvent::downloaded) == 5; }));
  // What b has written went the other way: a heard of it.
  for (const ArchiveEvent& event : of_b) {
    if (event.downloaded.value > 0 || event.changed) CHECK(event.link == a.key);
    if (event.uploaded.value > 0) CHECK(event.link == b.key);
  }
  CHECK(world.run(a.bundle.archives())->size() == 2);
  // What came to b after it began to watch goes on from there to a third, which never meets a.
  Peer c = peer(world);
  world.join(c.node, b.node);
  const auto passed_on = [&] {
    std::uint64_t sum = 0;
    for (const ArchiveEvent& event : of_b)
      if (event.link == a.key) sum += event.uploaded.value;
    return sum;
  };
  REQUIRE(world.until([&] { return passed_on() == 5; }));
  REQUIRE(world.run(b.bundle.forget(a.key)).has_value());
  REQUIRE(world.until([&] { return of_b.back().removed; }));
  world.run(b.node.close());
  REQUIRE(world.until([&] { return b_ended; }));
}

TEST_CASE("HM-18: an archive that is known already is not followed twice") {
  World world;
  Peer a = peer(world), b = peer(world);
  add(world, a.bundle, b.key);
  add(world, a.bundle, b.key);
  CHECK(world.run(a.bundle.archives())->size() == 2);
  CHECK(world.run(a.bundle.add(a.key)).has_value());
  CHECK(world.run(a.bundle.archives())->size() == 2);
  CHECK(world.run(a.bundle.archive(a.key)).has_value());
  CHECK(*world.run(a.node.own_archive()) == a.key);
  write(world, a.bundle, "still", "writable");
}

TEST_CASE("HM-20, HM-21: sessions end one by one or all, and nothing of them is left") {
  World world;
  Peer a = peer(world), b = peer(world), c = peer(world);
  auto& first = world.join(a.node, b.node);
  auto& second = world.join(a.node, c.node);
  add(world, b.bundle, a.key);
  add(world, c.bundle, a.key);
  write(world, a.bundle, "file", "x");
  REQUIRE(world.until([&] { return !list(world, b.bundle).empty() && !list(world, c.bundle).empty(); }));
  CHECK(world.run(a.bundle.unreplicate("nobody")).error() == EngineErrc::not_found);
  CHECK(!first.a_ended);
  REQUIRE(world.run(a.bundle.unreplicate()).has_value());
  REQUIRE(world.until([&] { return first.a_ended && second.a_ended && first.b_ended && second.b_ended; }));
  CHECK((*first.a_ended)->reason == SessionEnd::local_ended);
  auto own = world.run(a.bundle.own());
  CHECK(world.run(own->info())->peers == 0);
  REQUIRE(world.run(a.bundle.unreplicate()).has_value());
}

TEST_CASE("HM-21: the session with a remote that is named ends, and the others go on") {
  std::optional<Result<SessionSummary>> with_b, with_c;  // they outlive the sessions that write them
  World world;
  Peer a = peer(world), b = peer(world), c = peer(world);
  const auto dial = [&](Peer& to, std::optional<Result<SessionSummary>>& ended) {
    world.spawn(
        [](Node& from, Address address, std::optional<Result<SessionSummary>>& out) -> awaitable<void> {
          out = co_await from.connect(address, Until::ended);
        }(a.node, world.address_of(to.node), ended));
  };
  dial(b, with_b);
  dial(c, with_c);
  write(world, a.bundle, "first", "1");
  REQUIRE(world.until([&] { return !list(world, b.bundle).empty() && !list(world, c.bundle).empty(); }));

  std::map<PublicKey, std::string> remotes;
  while (remotes.size() < 2) {
    const auto event = world.run(a.node.next_event());
    REQUIRE(event.has_value());
    if (event->kind == NodeEvent::Kind::session_started) remotes[*event->remote_key] = event->remote;
  }
  REQUIRE(remotes[b.node.identity()] != remotes[c.node.identity()]);
  REQUIRE(world.run(a.bundle.unreplicate(remotes[b.node.identity()])).has_value());
  REQUIRE(world.until([&] { return with_b.has_value(); }));
  CHECK((*with_b)->reason == SessionEnd::local_ended);
  write(world, a.bundle, "second", "2");
  REQUIRE(world.until([&] { return list(world, c.bundle).size() == 2; }));
  CHECK(!with_c);
  CHECK(list(world, b.bundle).size() == 1);
}

TEST_CASE("HM-22: closing ends everything, and answers whoever waits") {
  World world;
  auto store = memory_backend({.random = &world.random()});
  REQUIRE(store->open().has_value());
  auto bundle = world.run(Bundle::open(*store, world.environment()));
  REQUIRE(bundle.has_value());
  BundleListOptions options;
  options.live = true;
  auto entries = world.run((*bundle)->list(options));
  REQUIRE(entries.has_value());
  Live live;
  world.spawn(follow(*entries, live));
  world.pass(std::chrono::seconds(1));
  CHECK(!live.ended);
  write(world, **bundle, "finished", "kept");
  std::optional<FileWriter> open_writer;
  {
    auto writer = world.run((*bundle)->write("unfinished"));
    REQUIRE(writer.has_value());
    REQUIRE(world.run(writer->append(as_bytes("half"))).has_value());
    open_writer.emplace(std::move(*writer));
  }
  world.run((*bundle)->close());
  REQUIRE(world.until([&] { return live.ended.has_value(); }));
  CHECK(world.run((*bundle)->list()).error() == EngineErrc::closed);
  CHECK(world.run((*bundle)->write("a")).error() == EngineErrc::closed);
  CHECK(!world.run(open_writer->finish()).has_value());
  open_writer.reset();

  // What was finished is there for the next one, and of the other file nothing.
  auto again = world.run(Bundle::open(*store, world.environment()));
  REQUIRE(again.has_value());
  const auto own = *world.run((*again)->archives());
  REQUIRE(own.size() == 1);
  CHECK(list(world, **again) == std::vector<Line>{{"/finished", own.front().key}});
  CHECK(read(world, **again, "finished", own.front().key) == "kept");
  world.run((*again)->close());
}

TEST_CASE(
    "HM-25, HM-26: three stores, synced 0-1, 1-2, 0-1: each lists and reads all; b carries what c wrote") {
  World world;
  Peer a = peer(world), b = peer(world), c = peer(world);
  write(world, a.bundle, "hello.txt", "HI");
  write(world, b.bundle, "cool.txt", "COOL");
  write(world, c.bundle, "hello.txt", "WHATEVEr");
  CHECK(list(world, a.bundle) == std::vector<Line>{{"/hello.txt", a.key}});
  CHECK(list(world, b.bundle) == std::vector<Line>{{"/cool.txt", b.key}});
  CHECK(list(world, c.bundle) == std::vector<Line>{{"/hello.txt", c.key}});
  sync(world, a, b);
  sync(world, b, c);
  sync(world, a, b);
  const std::vector<Line> all = sorted({{"/cool.txt", b.key}, {"/hello.txt", a.key}, {"/hello.txt", c.key}});
  for (Peer* one : {&a, &b, &c}) {
    CHECK(list(world, one->bundle) == all);
    CHECK(read(world, one->bundle, "hello.txt", a.key) == "HI");
    CHECK(read(world, one->bundle, "cool.txt", b.key) == "COOL");
    CHECK(read(world, one->bundle, "hello.txt", c.key) == "WHATEVEr");
  }
}

TEST_CASE(
    "the secrets of a bundle move to another store, and what peers know of it comes back before it writes") {
  World world;
  Peer a = peer(world), b = peer(world);
  write(world, a.bundle, "file", "kept by b");
  REQUIRE(world.run(a.node.create_core("log")).has_value());
  add(world, b.bundle, a.key);
  sync(world, b, a);
  auto keys = world.run(a.node.export_keys());
  REQUIRE(keys.has_value());
  const PublicKey identity = a.node.identity();
  world.run(a.node.close());

  Node& fresh = world.add();
  CHECK(world.run(fresh.import_keys(to_buffer(as_bytes("sheaf keys 1\nnonsense\n")))).error() ==
        ProtocolErrc::malformed);
  CHECK(world.run(fresh.import_keys({})).error() == ProtocolErrc::malformed);
  REQUIRE(world.run(fresh.import_keys(*keys)).has_value());
  REQUIRE(world.run(fresh.import_keys(*keys)).has_value());  // as after being cut off
  CHECK(fresh.identity() == identity);
  CHECK(*world.run(fresh.own_archive()) == a.key);
  CHECK(world.run(fresh.core("log")).has_value());
  Bundle moved(fresh);
  auto own = world.run(moved.own());
  REQUIRE(own.has_value());
  CHECK(world.run(own->info())->version == Version{0});  // no header: a longer history may be out there
  auto& join = world.join(fresh, b.node);
  REQUIRE(world.until([&] { return world.run(own->info())->version == Version{2}; }));
  write(world, moved, "second", "after the move");
  CHECK(world.run(own->info())->fork == Fork{0});
  CHECK(read(world, moved, "file", a.key) == "kept by b");
  REQUIRE(world.until([&] { return list(world, b.bundle, "second").size() == 1; }));
  join.a->cut();
  CHECK(world.run(b.node.import_keys(*keys)).error() == EngineErrc::exists);
}

TEST_CASE("moved without meeting anybody, the first write begins a fork of its own") {
  World world;
  Peer a = peer(world);
  write(world, a.bundle, "file", "lost");
  auto keys = world.run(a.node.export_keys());
  REQUIRE(keys.has_value());
  world.run(a.node.close());
  Node& fresh = world.add();
  REQUIRE(world.run(fresh.import_keys(*keys)).has_value());
  Bundle moved(fresh);
  write(world, moved, "new", "1");
  auto own = world.run(moved.own());
  CHECK(world.run(own->info())->fork == Fork{1});
  write(world, moved, "newer", "2");
  CHECK(world.run(own->info())->fork == Fork{1});
  Node& again = world.restart(fresh);
  Bundle kept(again);
  write(world, kept, "newest", "3");
  own = world.run(kept.own());
  CHECK(world.run(own->info())->fork == Fork{1});
  CHECK(list(world, kept).size() == 3);
}
