// Every tree that was recorded from hyperbee: written anew, byte for byte, and read in every way.
#include <doctest/doctest.h>

#include "tests/support/bee_memory.hpp"
#include "tests/support/bee_scenarios.hpp"

using namespace sheaf;
using nlohmann::json;
using sheaf::test::BeeMemory;
using sheaf::test::run_bee_scenarios;
using sheaf::test::unhex;
using sheaf::test::vectors;

namespace {

// One recorded scenario, whose keys are texts or hex digits.
struct Scenario {
  const json& recorded;
  bool binary = false;
  BeeMemory bee;
  std::size_t operations = 0;
  std::size_t answers = 0;

  explicit Scenario(const json& recorded) : recorded(recorded), binary(recorded["keyEncoding"] == "binary") {}

  Buffer key(const json& text) const {
    return binary ? unhex(text) : to_buffer(as_bytes(text.get<std::string>()));
  }
  std::string text(Bytes key) const { return binary ? to_hex(key) : std::string(as_text(key)); }

  void apply(BeeBatch& batch, const json& step) {
    ++operations;
    const Buffer name = key(step[1]);
    if (step[0] == "del") {
      REQUIRE(batch.del(name).has_value());
      return;
    }
    REQUIRE(step[0] == "put");
    std::optional<Buffer> value;
    if (step.size() > 2) value = to_buffer(as_bytes(step[2].get<std::string>()));
    REQUIRE(batch.put(name, value ? std::optional(Bytes(*value)) : std::nullopt).has_value());
  }

  // Where the steps are not written out: the operation of each block is in the block.
  void write_as_recorded() {
    const json& blocks = recorded["core"]["blocks"];
    bee.add_header(*decode_bee_header(unhex(blocks[0])));
    for (std::size_t i = 1; i < blocks.size(); ++i, ++operations) {
      const auto block = BeeBlock::decode(unhex(blocks[i]));
      REQUIRE(block.has_value());
      BeeBatch batch(bee, bee.length());
      REQUIRE(batch.put(block->key(), block->value()).has_value());
      bee.append(batch);
    }
  }

  void write() {
    if (!recorded.contains("steps")) return write_as_recorded();
    // Whatever metadata the header has is not this test's; the codec's vectors cover it.
    const BeeHeader header = *decode_bee_header(unhex(recorded["core"]["blocks"][0]));
    for (std::size_t i = 0; i < recorded["steps"].size(); ++i) {
      const json& step = recorded["steps"][i];
      bee.add_header(header);
      BeeBatch batch(bee, bee.length());
      if (step[0] == "batch") {
        for (const json& one : step[1]) apply(batch, one);
      } else {
        apply(batch, step);
      }
      bee.append(batch);
      if (recorded.contains("lengthAfterStep")) CHECK(bee.length().value == recorded["lengthAfterStep"][i]);
    }
  }

  void compare_blocks() {
    const json& blocks = recorded["core"]["blocks"];
    REQUIRE(bee.raw.size() == blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i)
      CHECK_MESSAGE(to_hex(bee.raw[i]) == blocks[i], recorded["name"], ": block ", i);
  }

  std::vector<BeeEntry> walk(Length version, BeeRange range = {}, bool reverse = false,
                             std::uint64_t limit = UINT64_MAX) {
    BeeWalk walk(version, std::move(range), reverse);
    std::vector<BeeEntry> out;
    while (out.size() < limit) {
      auto next = walk.next(bee);
      REQUIRE(next.has_value());
      if (!*next) break;
      out.push_back(std::move(**next));
    }
    return out;
  }

  BeeRange range_of(const json& options) const {
    BeeRange out;
    if (options.contains("gt")) out.gt = key(options["gt"]);
    if (options.contains("gte")) out.gte = key(options["gte"]);
    if (options.contains("lt")) out.lt = key(options["lt"]);
    if (options.contains("lte")) out.lte = key(options["lte"]);
    return out;
  }

  void check_range() {
    const auto all = walk(bee.length());
    REQUIRE(all.size() == recorded["range"].size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(text(all[i].key()) == recorded["range"][i][0]);
      CHECK(all[i].seq.value == recorded["range"][i][1]);
    }
    answers += all.size();
    for (const json& asked : recorded.value("ranges", json::array())) {
      const json& options = asked["opts"];
      std::uint64_t limit = UINT64_MAX;
      if (options.contains("limit") && options["limit"] >= 0) limit = options["limit"];
      const auto some = walk(bee.length(), range_of(options), options.value("reverse", false), limit);
      std::vector<std::uint64_t> seqs;
      for (const BeeEntry& entry : some) seqs.push_back(entry.seq.value);
      CHECK_MESSAGE(seqs == asked["seqs"].get<std::vector<std::uint64_t>>(), recorded["name"],
                    options.dump());
      answers += some.size();
    }
  }

  void check_gets() {
    for (const json& asked : recorded.value("gets", json::array())) {
      auto got = bee_get(bee, bee.length(), key(asked[0]));
      REQUIRE(got.has_value());
      CHECK(got->has_value() == !asked[1].is_null());
      if (*got) {
        CHECK((*got)->seq.value == asked[1]);
        const auto value = (*got)->value();
        CHECK(value.has_value() == !asked[2].is_null());
        if (value) CHECK(std::string(as_text(*value)) == asked[2]);
      }
      ++answers;
    }
  }

  void check_checkouts() {
    for (const json& asked : recorded.value("checkouts", json::array())) {
      if (asked.contains("error")) continue;  // inside a batch, where no version of ours ever is
      std::vector<std::uint64_t> seqs;
      for (const BeeEntry& entry : walk({asked["version"].get<std::uint64_t>()}))
        seqs.push_back(entry.seq.value);
      CHECK(seqs == asked["range"].get<std::vector<std::uint64_t>>());
      ++answers;
    }
  }

  void check_diffs() {
    for (const json& asked : recorded.value("diffs", json::array())) {
      const Length left{asked.value("left", bee.length().value)};
      const json options = asked.value("opts", json::object());
      BeeDiff diff(left, {asked["right"].get<std::uint64_t>()}, range_of(options),
                   options.value("reverse", false));
      std::uint64_t limit = UINT64_MAX;
      if (options.contains("limit")) limit = options["limit"];
      json out = json::array();
      while (out.size() < limit) {
        auto next = diff.next(bee);
        REQUIRE(next.has_value());
        if (!*next) break;
        const auto& [on_left, on_right] = **next;
        out.push_back({on_left ? json(on_left->seq.value) : json(),
                       on_right ? json(on_right->seq.value) : json(),
                       text(on_left ? on_left->key() : on_right->key())});
      }
      CHECK_MESSAGE(out == asked["out"], recorded["name"], asked.dump().substr(0, 80));
      answers += out.size();
    }
  }

  void check_history() {
    std::size_t at = 0;
    for (const json& item : recorded.value("history", json::array())) {
      const BlockIndex seq{item[1].get<std::uint64_t>()};
      CHECK(seq.value == ++at);
      auto block = bee.block(seq);
      REQUIRE(block.has_value());
      CHECK(text((*block)->key()) == item[2]);
      const bool put = (*block)->value() || *(*block)->names(seq);
      CHECK(put == (item[0] == "put"));
      ++answers;
    }
  }

  void run() {
    write();
    compare_blocks();
    check_range();
    check_gets();
    check_checkouts();
    check_diffs();
    check_history();
  }
};

}  // namespace

TEST_CASE("small trees equal hyperbee's") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-small.json")["scenarios"]);
}
TEST_CASE("trees of 100 keys equal hyperbee's") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-100.json")["scenarios"]);
}
TEST_CASE("batches equal hyperbee's") {
  run_bee_scenarios<Scenario>(vectors("drive/bee-batch.json")["scenarios"]);
}
TEST_CASE("a tree of 1,000 keys equals hyperbee's") {
  run_bee_scenarios<Scenario>(json::array({vectors("drive/bee-1000.json")["scenario"]}));
}
