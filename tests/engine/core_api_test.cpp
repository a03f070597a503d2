// What the calls of a core answer, also when they cannot do what they are asked.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "sheaf/storage/error.hpp"
#include "tests/support/cores.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

// Fails as many writes as it is told to.
class FailingWrites final : public WriteFaults {
 public:
  Error before_write(const Batch&, Durable) override {
    if (pass > 0) return --pass, Error();
    if (fail == 0) return {};
    --fail;
    return StorageErrc::io_error;
  }
  std::size_t pass = 0;  // that many first
  std::size_t fail = 0;
};

}  // namespace

TEST_CASE("who does not hold the secret key cannot write") {
  World world;
  Node& writer = world.add();
  Node& reader = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 2);
  Core copy = follow(world, reader, log.key());
  CHECK(try_append(world, copy, {numbered_block(0, 4)}).error() == EngineErrc::not_writable);
  CHECK(world.run(copy.truncate(Length{0})).error() == EngineErrc::not_writable);
  CHECK_FALSE(info(world, copy).writable);
  CHECK(info(world, log).writable);
}

TEST_CASE("what lies beyond the core is out of range") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 3, 10);
  CHECK(get(world, log, 3, Core::From::here).error() == EngineErrc::out_of_range);
  CHECK(get(world, log, 3, Core::From::peers).error() == EngineErrc::out_of_range);
  CHECK(world.run(log.truncate(Length{4})).error() == EngineErrc::out_of_range);
  CHECK(world.run(log.truncate(Length{1}, Fork{0})).error() == EngineErrc::out_of_range);
  CHECK(world.run(log.seek(ByteCount{31}, Core::From::here)).error() == EngineErrc::out_of_range);
  CHECK(world.run(log.seek(ByteCount{31})).error() == EngineErrc::out_of_range);
  CHECK(try_append(world, log, {Buffer(15 * 1024 * 1024 + 1)}).error() == EngineErrc::out_of_range);
  CHECK(info(world, log).length == Length{3});
  REQUIRE(world.run(log.truncate(Length{1}, Fork{9})).has_value());
  CHECK(info(world, log).fork == Fork{9});
}

TEST_CASE("an append of nothing changes nothing that can be read") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 3);
  CHECK(*try_append(world, log, {}) == Length{3});
  CHECK(get(world, log, 2).has_value());
}

TEST_CASE("whoever waits for a block of a core that is written here gets it with the append") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  std::vector<Result<Buffer>> waited;
  for (const std::uint64_t block : {1u, 1u, 0u, 2u})
    world.spawn([](Core& core, std::uint64_t index, auto& out) -> awaitable<void> {
      out.push_back(co_await core.get(BlockIndex{index}, Core::From::future));
    }(log, block, waited));
  append(world, log, 0, 2, 10);
  REQUIRE(world.until([&] { return waited.size() == 3; }));
  for (const auto& block : waited) CHECK(block.has_value());
  append(world, log, 2, 1, 10);
  REQUIRE(world.until([&] { return waited.size() == 4; }));
  CHECK(equal(*waited.back(), numbered_block(2, 10)));
}

TEST_CASE("a closed node answers closed, and ends who waits") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  std::optional<Result<Buffer>> waited;
  std::optional<Result<void>> downloaded;
  world.spawn([](Core& core, auto& out) -> awaitable<void> {
    out = co_await core.get(BlockIndex{5}, Core::From::future);
  }(log, waited));
  world.spawn([](Core& core, auto& out) -> awaitable<void> {
    out = co_await core.download({{}, Core::no_end});
  }(log, downloaded));
  world.pass(1s);
  CHECK_FALSE(waited.has_value());
  world.run(writer.close());
  REQUIRE(world.until([&] { return waited.has_value() && downloaded.has_value(); }));
  CHECK(waited->error() == EngineErrc::closed);
  CHECK(downloaded->error() == EngineErrc::closed);
  CHECK(try_append(world, log, {numbered_block(0, 4)}).error() == EngineErrc::closed);
  CHECK(world.run(log.info()).error() == EngineErrc::closed);
  CHECK(world.run(writer.create_core("more")).error() == EngineErrc::closed);
}

TEST_CASE("a link ends when its node closes, dialling or not") {
  for (const bool reachable : {false, true}) {
    World world;
    Node& one = world.add();
    Node& two = world.add();
    world.roads_open = reachable;
    std::optional<Result<SessionSummary>> ended;
    world.spawn([](Node& node, Address address, auto& out) -> awaitable<void> {
      out = co_await node.connect(std::move(address), Until::closed);
    }(one, world.address_of(two), ended));
    world.pass(100s);
    CHECK_FALSE(ended.has_value());
    world.run(one.close());
    CHECK(world.until([&] { return ended.has_value(); }, 0s));
    const std::size_t dials = world.dials;
    world.pass(200s);
    CHECK(world.dials == dials);
  }
}

TEST_CASE("whoever was cancelled before it calls waits for nothing") {
  for (const bool reachable : {false, true}) {
    World world;
    Node& one = world.add();
    Node& two = world.add();
    Core log = create(world, one);
    world.roads_open = reachable;
    std::optional<Error> linked;
    std::optional<Error> waited;
    boost::asio::cancellation_signal stop;
    boost::asio::co_spawn(
        world.io(),
        [&]() -> awaitable<void> {
          co_await boost::asio::this_coro::throw_if_cancelled(false);
          stop.emit(boost::asio::cancellation_type::terminal);
          const auto link = co_await one.connect(world.address_of(two), Until::closed);
          linked = link.error();
          const auto block = co_await log.get(BlockIndex{5}, Core::From::future);
          waited = block.error();
          // What waits for nothing is done all the same: whoever is cancelled has things to put in order.
          CHECK((co_await log.info()).has_value());
        },
        boost::asio::bind_cancellation_slot(stop.slot(), boost::asio::detached));
    CHECK(world.until([&] { return waited.has_value(); }, 0s));
    CHECK(linked == cancelled_error());
    CHECK(waited == cancelled_error());
    world.run(one.close());
  }
}

TEST_CASE("cores are known by key and by name, and forgotten") {
  World world;
  Node& node = world.add();
  Core log = create(world, node, "notes");
  CHECK(world.run(node.core("notes"))->key() == log.key());
  CHECK(world.run(node.create_core("notes"))->key() == log.key());
  CHECK(world.run(node.core("nothing")).error() == EngineErrc::not_found);
  CHECK(world.run(node.core(CoreKey{})).error() == EngineErrc::not_found);
  CHECK(world.run(node.forget(log.key())).error() == EngineErrc::refused);
  REQUIRE(world.run(node.forget(log.key(), true)).has_value());
  CHECK(world.run(node.core("notes")).error() == EngineErrc::not_found);
  CHECK(world.run(log.info()).error() == EngineErrc::not_found);
}

TEST_CASE("bytes are counted and sought without the padding of an encrypted core") {
  World world;
  Node& writer = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Core log = create(world, writer);
  FollowOptions secret;
  secret.encryption_key = EncryptionKey::from(numbered_block(77, 32));
  REQUIRE(world.run(writer.follow(log.key(), secret)).has_value());
  for (std::uint64_t i = 0; i < 9; ++i) append(world, log, i, 1, 10 * (i + 1));
  CHECK(info(world, log).bytes == ByteCount{450});
  auto followed = world.run(reader.follow(log.key(), secret));
  REQUIRE(followed.has_value());
  Core copy = std::move(*followed);
  world.link(reader, writer);
  REQUIRE(world.until([&] { return info(world, copy).length == Length{9}; }));
  CHECK(info(world, copy).bytes == ByteCount{450});
  const struct {
    std::uint64_t byte, block, offset;
  } places[] = {{0, 0, 0}, {9, 0, 9}, {10, 1, 0}, {29, 1, 19}, {30, 2, 0}, {359, 7, 79}, {449, 8, 89}};
  for (const auto& place : places) {
    CAPTURE(place.byte);
    for (Core* core : {&log, &copy}) {
      const auto found = world.run(core->seek(ByteCount{place.byte}));
      REQUIRE(found.has_value());
      CHECK(found->block == BlockIndex{place.block});
      CHECK(found->offset == ByteCount{place.offset});
    }
  }
  CHECK(info(world, copy).local == Length{0});
  CHECK(equal(*get(world, copy, 4, Core::From::peers), numbered_block(4, 50)));
  CHECK(info(world, copy).local == Length{1});
}

TEST_CASE("blocks that were cleared are fetched again, by a reader and by their writer") {
  World world;
  Node& writer = world.add();
  NodeOptions sparse;
  sparse.sparse = true;
  Node& reader = world.add(sparse);
  Core log = create(world, writer);
  append(world, log, 0, 20);
  Core copy = follow(world, reader, log.key());
  world.link(reader, writer);
  REQUIRE(world.until([&] { return info(world, copy).length == Length{20}; }));
  REQUIRE(world.run(copy.download({{0}, {20}})).has_value());
  for (int round = 0; round < 3; ++round) {
    REQUIRE(world.run(copy.clear({{5}, {10}})).has_value());
    CHECK(info(world, copy).local == Length{15});
    CHECK(get(world, copy, 7).error() == EngineErrc::not_available);
    CHECK(equal(*get(world, copy, 7, Core::From::peers), numbered_block(7, 64)));
    REQUIRE(world.run(copy.download({{0}, {20}})).has_value());
    // The writer keeps every block, so what it drops comes back.
    REQUIRE(world.run(log.clear({{2}, {4}})).has_value());
    REQUIRE(world.until([&] { return info(world, log).contiguous == Length{20}; }));
    CHECK(equal(*get(world, log, 3), numbered_block(3, 64)));
  }
}

TEST_CASE("a store that failed takes nothing more, is opened again, and serves on") {
  FailingWrites faults;
  World world;
  Node& writer = world.add({}, &faults);
  Node& reader = world.add();
  Core log = create(world, writer);
  append(world, log, 0, 3);
  Core copy = follow(world, reader, log.key());
  world.link(reader, writer);
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{3}; }));

  faults.fail = 1;
  CHECK(try_append(world, log, {numbered_block(3, 64)}).error() == StorageErrc::io_error);
  CHECK(try_append(world, log, {numbered_block(3, 64)}).error() == StorageErrc::poisoned);
  CHECK(world.run(log.clear({{0}, {1}})).error() == StorageErrc::poisoned);
  CHECK(info(world, log).length == Length{3});
  CHECK(get(world, log, 1).has_value());
  world.pass(2s);
  CHECK(append(world, log, 3, 2) == Length{5});
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{5}; }));
  CHECK(info(world, copy).fork == Fork{0});
  CHECK(equal(*get(world, copy, 4), numbered_block(4, 64)));
}

TEST_CASE("a store that opens but takes no block is tried more and more rarely") {
  constexpr std::size_t always = 1000;
  FailingWrites faults;
  World world;
  Node& writer = world.add();
  Node& reader = world.add({}, &faults);
  Core log = create(world, writer);
  append(world, log, 0, 1);
  Core copy = follow(world, reader, log.key());
  world.link(reader, writer);
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{1}; }));
  faults.fail = always;
  append(world, log, 1, 100);
  world.pass(100s);
  const std::size_t tries = always - faults.fail;
  CHECK(tries > 3);
  CHECK(tries < 20);
  faults.fail = 0;
  REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{101}; }));
}

TEST_CASE("a reader whose store fails at any write comes to the end all the same") {
  for (std::size_t at = 0; at < 12; ++at) {
    CAPTURE(at);
    FailingWrites faults;
    World world;
    world.road.delay = 5ms;
    Node& writer = world.add();
    Node& reader = world.add({}, &faults);
    Core log = create(world, writer);
    append(world, log, 0, 300, 1000);
    Core copy = follow(world, reader, log.key());
    faults.pass = at;
    faults.fail = 2;
    world.link(reader, writer);
    REQUIRE(world.until([&] { return info(world, copy).contiguous == Length{300}; }));
    append(world, log, 300, 1);
    REQUIRE(world.run(log.truncate(Length{100})).has_value());
    append(world, log, 900, 1);
    REQUIRE(world.until([&] { return caught_up(info(world, copy), info(world, log)); }));
  }
}

TEST_CASE("events say what happened to a core, in order") {
  World world;
  Node& writer = world.add();
  Core log = create(world, writer);
  auto events = world.run(log.watch());
  REQUIRE(events.has_value());
  append(world, log, 0, 2);
  REQUIRE(world.run(log.truncate(Length{1})).has_value());
  using Kind = CoreEvent::Kind;
  const std::pair<Kind, std::uint64_t> expected[] = {
      {Kind::length_grew, 2}, {Kind::blocks_stored, 2}, {Kind::truncated, 1}, {Kind::length_grew, 1}};
  for (const auto& [kind, length] : expected) {
    const auto event = world.run(events->next());
    REQUIRE(event.has_value());
    CHECK(event->kind == kind);
    CHECK(event->length == Length{length});
  }
}
