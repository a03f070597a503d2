#include "storage/core_store.hpp"

#include "sheaf/storage/memory_backend.hpp"
#include "storage/key_schema.hpp"
#include "tests/storage/core_script.hpp"

namespace sheaf::test {
namespace {

// A core over one store, or over one for the state and one for the blocks.
struct World {
  explicit World(bool apart, const StoreLimits& limits = {})
      : state(memory_backend({.limits = limits})), blocks(memory_backend({.limits = limits})), apart(apart) {
    REQUIRE(state->open());
    REQUIRE(blocks->open());
  }
  CoreStore store(CoreId core = {7}) { return CoreStore(*state, apart ? *blocks : *state, core); }
  std::size_t keys() {
    std::size_t count = 0;
    for (Backend* backend : {state.get(), blocks.get()}) {
      auto cursor = backend->iterate({});
      while ((*cursor)->next().value()) ++count;
    }
    return count;
  }

  std::unique_ptr<Backend> state;
  std::unique_ptr<Backend> blocks;
  bool apart;
};

CoreView reopened(World& world) {
  CoreStore store = world.store();
  const auto contents = store.open();
  REQUIRE(contents);
  return view_of(store, *contents);
}

void play(const CoreScript& script, World& world) {
  CoreStore store = world.store();
  REQUIRE(store.open());
  for (std::size_t i = 0; i < script.steps.size(); ++i) {
    INFO("step ", i);
    REQUIRE(script.steps[i].commit(store, Durable::no));
    REQUIRE(reopened(world) == script.states[i + 1]);
  }
}

}  // namespace

TEST_CASE("a core that nothing was stored of is empty") {
  World world(false);
  CoreStore store = world.store();
  const auto contents = store.open();
  REQUIRE(contents);
  CHECK(!contents->head);
  CHECK(!contents->manifest);
  CHECK(contents->held == Length{0});
  CHECK(store.bitfield()->empty());
  CHECK(!store.node({0}).value());
  Buffer out;
  CHECK(store.block({0}, out).error() == StorageErrc::not_found);
}

TEST_CASE("what is committed is there after opening again") {
  for (const bool apart : {false, true}) {
    CoreScript script;
    script.append(1);
    script.append(4);
    script.append(13);
    script.clear(3, 9);
    script.truncate(6);
    script.append(5, 1);
    script.truncate(0);
    script.append(20, 2);
    script.reorganise(9, 16, 3);
    script.clear(0, 100);
    World world(apart);
    play(script, world);
  }
}

TEST_CASE("truncating and clearing leave nothing behind") {
  for (const bool apart : {false, true}) {
    World world(apart);
    CoreScript script;
    script.append(100);
    script.truncate(0);
    play(script, world);
    // The head, and the count of held blocks.
    CHECK(world.keys() == 2);
  }
}

TEST_CASE("more than one write can delete is deleted all the same, and what the change brings stays") {
  for (const bool apart : {false, true}) {
    World world(apart);
    CoreScript script;
    script.append(5000);
    script.reorganise(10, 30, 1);
    script.clear(5, 20);
    play(script, world);
    CHECK(world.keys() == script.states.back().blocks.size() + script.states.back().nodes.size() + 3);
  }
}

TEST_CASE("a change larger than a write may be is stored in several") {
  for (const bool apart : {false, true}) {
    World world(apart, {.batch_operations = 3000});
    CoreScript script;
    script.append(3100);
    script.append(1);
    script.reorganise(3000, 400, 1);
    play(script, world);
  }
}

TEST_CASE("a large change without room for its values stores nothing that shows") {
  auto state = memory_backend();
  auto blocks = memory_backend({.capacity = 1000});
  REQUIRE(state->open());
  REQUIRE(blocks->open());
  CoreStore store(*state, *blocks, {1});
  REQUIRE(store.open());
  CoreScript script;
  script.append(500);
  CHECK(script.steps[0].commit(store, Durable::no).error() == StorageErrc::full);
  const auto contents = store.open();
  CHECK(view_of(store, *contents) == CoreView{});
}

TEST_CASE("the manifest is kept as it is given") {
  World world(false);
  CoreStore store = world.store();
  REQUIRE(store.open());
  CoreChange change;
  change.manifest = as_bytes("canonical bytes");
  REQUIRE(store.commit(change, Durable::yes));
  const auto contents = CoreStore::contents(*world.state, {7});
  REQUIRE(contents->manifest);
  CHECK(as_text(*contents->manifest) == "canonical bytes");
}

TEST_CASE("the proof that a writer signed two histories outlives everything but forgetting the core") {
  for (const bool apart : {false, true}) {
    World world(apart);
    CoreScript script;
    script.append(2100);
    script.reorganise(10, 30, 1);
    script.truncate(0);
    CoreStore store = world.store();
    REQUIRE(store.open());
    CHECK(!store.conflict().value());
    REQUIRE(script.steps[0].commit(store, Durable::no));
    const std::vector<Buffer> trees{to_buffer(as_bytes("theirs")), to_buffer(as_bytes("ours"))};
    REQUIRE(store.keep_conflict(trees));
    CHECK(view_of(store, *store.open()) == script.states[1]);
    for (std::size_t i = 1; i < script.steps.size(); ++i) REQUIRE(script.steps[i].commit(store, Durable::no));
    CHECK(reopened(world) == script.states.back());
    CoreStore again = world.store();
    CHECK(again.conflict().value() == trees);
    CHECK(!world.store({8}).conflict().value());
  }
}

TEST_CASE("sparse blocks are stored anywhere, and the bitfield says which") {
  World world(true);
  CoreStore store = world.store();
  REQUIRE(store.open());
  const std::vector<std::uint64_t> indexes = {0, 4095, 4096, 32767, 32768, 1'000'000, 1 << 30};
  TreeHead head;
  head.length = {std::uint64_t{1} << 31};
  head.roots.resize(1);
  std::vector<BlockBytes> blocks;
  for (const std::uint64_t index : indexes) blocks.push_back({{index}, as_bytes("block")});
  CoreChange change;
  change.blocks = blocks;
  change.head = &head;
  REQUIRE(store.commit(change, Durable::no));
  const auto pages = store.bitfield();
  REQUIRE(pages);
  std::vector<std::uint64_t> found;
  for (const BitfieldPage& page : *pages)
    for (std::uint64_t bit = 0; bit < page.bytes.size() * 8; ++bit)
      if ((page.bytes[bit / 8] >> (bit % 8) & std::byte{1}) != std::byte{})
        found.push_back(page.page * BitfieldPage::bits + bit);
  CHECK(found == indexes);
  CHECK(store.open()->held == Length{indexes.size()});
  // Stored once more: still held once.
  REQUIRE(store.commit(change, Durable::no));
  CHECK(store.open()->held == Length{indexes.size()});
  Bitfield bitfield;
  for (const BitfieldPage& page : *pages) CHECK(bitfield.load_page(page.page, page.bytes));
  CHECK(bitfield.count() == Length{indexes.size()});
  CHECK(bitfield.test({1'000'000}));
}

TEST_CASE("a block is appended behind what the buffer holds") {
  World world(false);
  CoreScript script;
  script.append(3);
  play(script, world);
  CoreStore store = world.store();
  REQUIRE(store.open());
  Buffer out = to_buffer(as_bytes("header"));
  REQUIRE(store.block({1}, out));
  CHECK(Bytes(out).size() == 6 + script.states[1].blocks.at(1).size());
  CHECK(store.block({3}, out).error() == StorageErrc::not_found);
}

TEST_CASE("check tells a whole block from an altered and from a missing one") {
  World world(true);
  CoreScript script;
  script.append(4);
  play(script, world);
  CoreStore store = world.store();
  REQUIRE(store.open());
  CHECK(store.check({1}));
  REQUIRE(world.blocks->put(keys::block({7}, {1}), as_bytes("other"), {}, Durable::no));
  CHECK(store.check({1}).error() == StorageErrc::damaged);
  REQUIRE(world.blocks->del(keys::block({7}, {2}), Durable::no));
  CHECK(store.check({2}).error() == StorageErrc::not_found);
  REQUIRE(world.state->del(keys::node({7}, {6}), Durable::no));
  CHECK(store.check({3}).error() == StorageErrc::not_found);
}

TEST_CASE("records that do not decode are damage, not absence") {
  World world(false);
  CoreScript script;
  script.append(4);
  play(script, world);
  const auto spoil = [&](const keys::Key& key, std::string_view bytes) {
    REQUIRE(world.state->put(key, as_bytes(bytes), {}, Durable::no));
  };
  CoreStore store = world.store();
  REQUIRE(store.open());
  SUBCASE("node") {
    spoil(keys::node({7}, {0}), "short");
    CHECK(store.node({0}).error() == StorageErrc::damaged);
  }
  SUBCASE("head") {
    for (const char* bytes : {"", "\x01", "\x02\x01\x01", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
      spoil(keys::head({7}), bytes);
      CHECK(store.open().error() == StorageErrc::damaged);
    }
  }
  SUBCASE("count") {
    spoil(keys::held({7}), "1");
    CHECK(store.open().error() == StorageErrc::damaged);
  }
  SUBCASE("bitfield") {
    spoil(keys::page({7}, 0), std::string(513, 'x'));
    CHECK(store.bitfield().error() == StorageErrc::damaged);
  }
  SUBCASE("conflict") {
    for (const char* bytes : {"", "\x02", "\x01\x01\x05z", "\x01\x01\x01zz"}) {
      spoil(keys::conflict({7}), bytes);
      CHECK(store.conflict().error() == StorageErrc::damaged);
    }
  }
  SUBCASE("sweep") {
    spoil(keys::sweep({7}), "\x01\x7f");
    CHECK(store.open().error() == StorageErrc::damaged);
  }
}

TEST_CASE("cores of one store do not see each other") {
  World world(true);
  CoreScript script;
  script.append(10);
  script.truncate(4);
  CoreStore first = world.store({1}), second = world.store({2});
  REQUIRE(first.open());
  REQUIRE(second.open());
  REQUIRE(script.steps[0].commit(first, Durable::no));
  REQUIRE(script.steps[0].commit(second, Durable::no));
  REQUIRE(script.steps[1].commit(first, Durable::no));
  const auto contents = second.open();
  CHECK(view_of(second, *contents) == script.states[1]);
}

}  // namespace sheaf::test
