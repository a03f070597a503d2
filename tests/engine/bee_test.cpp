// The public Hyperbee: what hyperbee wrote in every recorded scenario, written through the interface and read
// back by another node; and what the interface promises besides.
#include "sheaf/engine/bee.hpp"

#include <doctest/doctest.h>

#include "tests/support/bee_scenarios.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

Buffer text(std::string_view bytes) { return to_buffer(as_bytes(bytes)); }

Bee bee_at(World& world, Node& node, const CoreKey& key) {
  auto bee = world.run(node.bee(key));
  REQUIRE(bee.has_value());
  return std::move(*bee);
}

Bee own_bee(World& world, Node& node, const std::string& name = "tree") {
  auto core = world.run(node.create_core(name));
  REQUIRE(core.has_value());
  return bee_at(world, node, core->key());
}

template <class T>
std::vector<T> all(World& world, Result<Bee::Stream<T>> stream) {
  REQUIRE(stream.has_value());
  std::vector<T> out;
  for (;;) {
    auto next = world.run(stream->next());
    REQUIRE(next.has_value());
    if (!*next) return out;
    out.push_back(std::move(**next));
  }
}

std::vector<std::string> keys(const std::vector<Bee::Entry>& entries) {
  std::vector<std::string> out;
  for (const Bee::Entry& entry : entries) out.emplace_back(as_text(entry.key));
  return out;
}

// One recorded scenario, told through the interface: written at one node, read at another one that follows.
class Scenario {
 public:
  explicit Scenario(const json& recorded)
      : recorded_(recorded), binary_(recorded["keyEncoding"] == "binary"), writer_(world_.add()) {}

  void run() {
    write();
    compare_blocks();
    Node& reader = world_.add();
    REQUIRE(world_.run(reader.follow(bee_->key())).has_value());
    world_.join(reader, writer_);
    Bee there = bee_at(world_, reader, bee_->key());
    check_gets(there);
    check_ranges(there);
    check_checkouts(there);
    check_diffs(there);
    check_history(there);
  }

  std::size_t operations = 0;
  std::size_t answers = 0;

 private:
  Buffer key(const json& name) const { return binary_ ? unhex(name) : text(name.get<std::string>()); }
  static std::optional<Buffer> value(const json& step) {
    return step.size() > 2 ? std::optional(text(step[2].get<std::string>())) : std::nullopt;
  }

  template <class Writer>
  void apply(Writer& writer, const json& step) {
    ++operations;
    if (step[0] == "del")
      REQUIRE(world_.run(writer.del(key(step[1]))).has_value());
    else
      REQUIRE(world_.run(writer.put(key(step[1]), value(step))).has_value());
  }

  void write() {
    bee_.emplace(own_bee(world_, writer_));
    if (!recorded_.contains("steps")) return write_as_recorded();
    for (const json& step : recorded_["steps"]) {
      if (step[0] != "batch") {
        apply(*bee_, step);
        continue;
      }
      Bee::Batch batch = bee_->batch();
      for (const json& one : step[1]) apply(batch, one);
      REQUIRE(world_.run(batch.flush()).has_value());
    }
  }

  // Where the steps are not written out: the operation of each block is in the block, and all are puts.
  void write_as_recorded() {
    const json& blocks = recorded_["core"]["blocks"];
    for (std::size_t i = 1; i < blocks.size(); ++i, ++operations) {
      const auto block = BeeBlock::decode(unhex(blocks[i]));
      REQUIRE(block.has_value());
      REQUIRE(world_.run(bee_->put(to_buffer(block->key()), to_buffer(*block->value()))).has_value());
    }
  }

  void compare_blocks() {
    const json& blocks = recorded_["core"]["blocks"];
    auto core = world_.run(writer_.core(bee_->key()));
    REQUIRE(world_.run(core->info())->length.value == blocks.size());
    // A header with metadata of the caller's is not what the interface writes.
    const bool plain = !decode_bee_header(unhex(blocks[0]))->metadata;
    for (std::size_t i = plain ? 0 : 1; i < blocks.size(); ++i)
      CHECK_MESSAGE(to_hex(*world_.run(core->get({i}))) == blocks[i], recorded_["name"], ": block ", i);
  }

  Bee::Range range_of(const json& options) const {
    Bee::Range out;
    if (options.contains("gt")) out.gt = key(options["gt"]);
    if (options.contains("gte")) out.gte = key(options["gte"]);
    if (options.contains("lt")) out.lt = key(options["lt"]);
    if (options.contains("lte")) out.lte = key(options["lte"]);
    out.reverse = options.value("reverse", false);
    if (options.contains("limit") && options["limit"] >= 0) out.limit = options["limit"];
    return out;
  }

  std::vector<std::uint64_t> seqs(Bee& bee, Bee::Range range) {
    std::vector<std::uint64_t> out;
    for (const Bee::Entry& entry : all(world_, world_.run(bee.range(std::move(range)))))
      out.push_back(entry.seq.value);
    answers += out.size();
    return out;
  }

  void check_gets(Bee& bee) {
    for (const json& asked : recorded_.value("gets", json::array())) {
      const auto got = world_.run(bee.get(key(asked[0])));
      REQUIRE(got.has_value());
      REQUIRE(got->has_value() == !asked[1].is_null());
      ++answers;
      if (!*got) continue;
      CHECK((*got)->seq.value == asked[1]);
      CHECK((*got)->key == key(asked[0]));
      CHECK((*got)->value ==
            (asked[2].is_null() ? std::nullopt : std::optional(text(asked[2].get<std::string>()))));
    }
  }

  void check_ranges(Bee& bee) {
    std::vector<std::uint64_t> expected;
    for (const json& one : recorded_["range"]) expected.push_back(one[1]);
    CHECK(seqs(bee, {}) == expected);
    for (const json& asked : recorded_.value("ranges", json::array()))
      CHECK_MESSAGE(seqs(bee, range_of(asked["opts"])) == asked["seqs"].get<std::vector<std::uint64_t>>(),
                    recorded_["name"], asked["opts"].dump());
  }

  void check_checkouts(Bee& bee) {
    for (const json& asked : recorded_.value("checkouts", json::array())) {
      if (asked.contains("error")) continue;  // inside a batch, where no version of ours ever is
      Bee then = bee.checkout({asked["version"].get<std::uint64_t>()});
      CHECK(seqs(then, {}) == asked["range"].get<std::vector<std::uint64_t>>());
    }
  }

  void check_diffs(Bee& bee) {
    for (const json& asked : recorded_.value("diffs", json::array())) {
      Bee left = asked.contains("left") ? bee.checkout({asked["left"].get<std::uint64_t>()})
                                        : bee_at(world_, writer_, bee.key());
      const json options = asked.value("opts", json::object());
      json out = json::array();
      auto stream = world_.run(left.diff({asked["right"].get<std::uint64_t>()}, range_of(options)));
      for (const Bee::Difference& one : all(world_, std::move(stream))) {
        const Buffer& name = one.left ? one.left->key : one.right->key;
        out.push_back({one.left ? json(one.left->seq.value) : json(),
                       one.right ? json(one.right->seq.value) : json(),
                       binary_ ? to_hex(name) : std::string(as_text(name))});
      }
      CHECK_MESSAGE(out == asked["out"], recorded_["name"], asked.dump().substr(0, 80));
      answers += out.size();
    }
  }

  void check_history(Bee& bee) {
    if (!recorded_.contains("history")) return;
    const auto operations_there = all(world_, world_.run(bee.history({})));
    REQUIRE(operations_there.size() == recorded_["history"].size());
    for (std::size_t i = 0; i < operations_there.size(); ++i) {
      const json& item = recorded_["history"][i];
      CHECK(operations_there[i].put == (item[0] == "put"));
      CHECK(operations_there[i].entry.seq.value == item[1]);
      CHECK(operations_there[i].entry.key == key(item[2]));
      ++answers;
    }
  }

  const json& recorded_;
  bool binary_;
  World world_;
  Node& writer_;
  std::optional<Bee> bee_;
};

}  // namespace

TEST_CASE("small trees equal hyperbee's through the interface") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-small.json")["scenarios"]);
}
TEST_CASE("trees of 100 keys equal hyperbee's through the interface") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-100.json")["scenarios"]);
}
TEST_CASE("batches equal hyperbee's through the interface") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-batch.json")["scenarios"]);
}
TEST_CASE("a tree of 1,000 keys equals hyperbee's through the interface") {
  run_bee_scenarios<Scenario>(json::array({vectors("drive/bee-1000.json")["scenario"]}));
}

TEST_CASE("an empty core is an empty tree, and the first write brings its header") {
  World world;
  Node& node = world.add();
  Bee bee = own_bee(world, node);
  CHECK(world.run(bee.version()).value() == Version{1});
  CHECK(world.run(bee.get(text("a"))).value() == std::optional<Bee::Entry>());
  CHECK(all(world, world.run(bee.range({}))).empty());
  CHECK(all(world, world.run(bee.history({}))).empty());
  CHECK(world.run(bee.del(text("a"))).value() == std::optional<Version>());
  CHECK(world.run(world.run(node.core(bee.key()))->info())->length == Length{1});
  CHECK(world.run(bee.put(text("a"), text("1"))).value() == Version{2});
  CHECK(world.run(bee.get(text("a"))).value() == std::optional(Bee::Entry{{1}, text("a"), text("1")}));
  CHECK(world.run(bee.put(text("n"), std::nullopt)).value() == Version{3});
  CHECK(world.run(bee.get(text("n"))).value() == std::optional(Bee::Entry{{2}, text("n"), std::nullopt}));
  CHECK(world.run(bee.del(text("a"))).value() == std::optional(Version{4}));
  CHECK(keys(all(world, world.run(bee.range({})))) == std::vector<std::string>{"n"});
}

TEST_CASE("a batch sees itself, is one append, and is nothing when it is dropped") {
  World world;
  Node& node = world.add();
  Bee bee = own_bee(world, node);
  REQUIRE(world.run(bee.put(text("a"), text("1"))).has_value());
  {
    Bee::Batch dropped = bee.batch();
    REQUIRE(world.run(dropped.put(text("x"), text("2"))).has_value());
  }
  auto core = world.run(node.core(bee.key()));
  auto events = world.run(core->watch());
  Bee::Batch batch = bee.batch();
  REQUIRE(world.run(batch.put(text("b"), text("2"))).has_value());
  CHECK(world.run(batch.del(text("a"))).value() == std::optional(Bee::Entry{{1}, text("a"), text("1")}));
  CHECK(world.run(batch.del(text("a"))).value() == std::optional<Bee::Entry>());
  CHECK(world.run(batch.del(text("x"))).value() == std::optional<Bee::Entry>());
  CHECK(world.run(batch.get(text("b"))).value() == std::optional(Bee::Entry{{2}, text("b"), text("2")}));
  CHECK(world.run(batch.get(text("a"))).value() == std::optional<Bee::Entry>());
  CHECK(world.run(bee.get(text("a"))).value().has_value());
  // Whoever else writes waits for its end.
  std::optional<Version> other;
  const auto put = [&]() -> awaitable<void> {
    Buffer key = text("c");
    Buffer value = text("3");
    other = *co_await bee.put(std::move(key), std::move(value));
  };
  world.spawn(put());
  world.pass(std::chrono::seconds(1));
  CHECK_FALSE(other);
  CHECK(world.run(batch.flush(Core::Safety::machine)).value() == Version{4});
  REQUIRE(world.until([&] { return other.has_value(); }));
  CHECK(*other == Version{5});
  auto grew = world.run(events->next());
  CHECK((grew->kind == CoreEvent::Kind::length_grew && grew->length == Length{4}));
  CHECK(keys(all(world, world.run(bee.range({})))) == std::vector<std::string>{"b", "c"});
}

TEST_CASE("what is asked of other versions, of later ones, and of the past") {
  World world;
  Node& node = world.add();
  Bee bee = own_bee(world, node);
  for (const char* key : {"a", "b", "c", "d"}) REQUIRE(world.run(bee.put(text(key), text(key))).has_value());
  REQUIRE(world.run(bee.del(text("b"))).has_value());
  Bee then = bee.checkout({4});
  CHECK(keys(all(world, world.run(then.range({})))) == std::vector<std::string>{"a", "b", "c"});
  CHECK(world.run(then.put(text("z"), text("z"))).error() == EngineErrc::not_writable);
  CHECK(world.run(bee.checkout({9}).version()).error() == EngineErrc::out_of_range);
  const auto backwards = all(world, world.run(bee.history({.after = {3}, .reverse = true, .limit = 2})));
  REQUIRE(backwards.size() == 2);
  CHECK((backwards[0].entry.key == text("b") && !backwards[0].put));
  CHECK((backwards[1].entry.key == text("d") && backwards[1].put));
  const auto differences = all(world, world.run(bee.diff({4}, {})));
  REQUIRE(differences.size() == 2);
  CHECK((!differences[0].left && differences[0].right->key == text("b")));
  CHECK((differences[1].left->key == text("d") && !differences[1].right));
}

TEST_CASE("who may write, and what is no tree") {
  World world;
  Node& node = world.add();
  Node& other = world.add();
  Bee bee = own_bee(world, node);
  REQUIRE(world.run(bee.put(text("a"), text("1"))).has_value());
  REQUIRE(world.run(other.follow(bee.key())).has_value());
  Bee followed = bee_at(world, other, bee.key());
  CHECK(world.run(followed.put(text("b"), text("1"))).error() == EngineErrc::not_writable);
  CHECK(world.run(followed.get(text("a"), Core::From::here)).value() == std::optional<Bee::Entry>());
  auto& join = world.join(other, node, Until::complete);
  REQUIRE(world.until([&] { return join.a_ended && join.b_ended; }));
  CHECK(world.run(followed.get(text("a"), Core::From::here)).value().has_value());

  auto archive = world.run(node.init_archive());
  REQUIRE(archive.has_value());
  REQUIRE(world.run(archive->put("/hello", as_bytes(std::string_view("x")))).has_value());
  Bee entries = bee_at(world, node, archive->key());
  CHECK(all(world, world.run(entries.range({}))).size() == 1);
  CHECK(world.run(entries.put(text("b"), text("1"))).error() == EngineErrc::refused);

  auto log = world.run(node.create_core("log"));
  REQUIRE(world.run(log->append(as_bytes(std::string_view("no header")))).has_value());
  Bee none = bee_at(world, node, log->key());
  CHECK(world.run(none.get(text("a"))).error() == EngineErrc::wrong_key);
  CHECK(world.run(none.put(text("a"), text("1"))).error() == EngineErrc::wrong_key);
  CHECK(world.run(node.bee(CoreKey{})).error() == EngineErrc::not_found);
}

TEST_CASE("a block that breaks the tree is found, and what comes before it is given") {
  World world;
  Node& node = world.add();
  Bee bee = own_bee(world, node);
  REQUIRE(world.run(bee.put(text("a"), text("1"))).has_value());
  auto core = world.run(node.core(bee.key()));
  REQUIRE(world.run(core->append(as_bytes(std::string_view("\xff\xff\xff")))).has_value());
  CHECK(world.run(bee.get(text("a"))).error() == ProtocolErrc::malformed);
  CHECK(world.run(bee.put(text("b"), text("1"))).error() == ProtocolErrc::malformed);
  auto history = world.run(bee.history({}));
  REQUIRE(history.has_value());
  CHECK(world.run(history->next()).value()->entry.key == text("a"));
  CHECK(world.run(history->next()).error() == ProtocolErrc::malformed);
  CHECK(world.run(bee.checkout({2}).get(text("a"))).value().has_value());
}

TEST_CASE("once the node is closed a tree answers closed") {
  World world;
  Node& node = world.add();
  Bee bee = own_bee(world, node);
  Bee::Batch batch = bee.batch();
  REQUIRE(world.run(batch.put(text("a"), text("1"))).has_value());
  std::optional<Error> waiting;
  const auto put = [&]() -> awaitable<void> {
    Buffer key = text("b");
    const auto version = co_await bee.put(std::move(key), std::nullopt);
    waiting = version.error();
  };
  world.spawn(put());
  world.pass(std::chrono::milliseconds(1));
  world.run(node.close());
  REQUIRE(waiting.has_value());
  CHECK(*waiting == EngineErrc::closed);
  CHECK(world.run(batch.flush()).error() == EngineErrc::closed);
  CHECK(world.run(bee.get(text("a"))).error() == EngineErrc::closed);
}
