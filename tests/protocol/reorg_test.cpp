#include "protocol/reorg.hpp"

#include <random>

#include <doctest/doctest.h>

#include "tests/support/log_world.hpp"

using namespace sheaf;
using test::LogReader;
using test::LogWriter;

namespace {

const Limits limits;

Proof from_zero(LogWriter& writer) {
  return *writer.answer({{}, {}, {}, UpgradeRequest{{}, writer.head.length}});
}

// A reader that has the writer's head and some of its blocks.
LogReader reader_with(LogWriter& writer, std::uint64_t every) {
  LogReader reader(writer);
  REQUIRE(reader.take(from_zero(writer)).has_value());
  for (std::uint64_t block = 0; block < writer.head.length.value; block += every) {
    const BlockRequest request{{block}, missing_nodes(BlockIndex{block}, reader.head.length, reader.held)};
    REQUIRE(reader.take(*writer.answer({request, {}, {}, {}})).has_value());
  }
  return reader;
}

// Lets the reader follow the writer's fork as an engine would; gives the ancestor.
Length follow(LogReader& reader, LogWriter& writer, std::mt19937_64& random, std::size_t& requests) {
  const Proof proof = from_zero(writer);
  auto reorg = Reorg::begin(proof, nullptr, writer.head.fork, reader.head, reader.manifest, reader.key,
                            reader.nodes, limits);
  REQUIRE(reorg.has_value());
  while (!reorg->finished()) {
    const BlockRange candidates = reorg->candidates();
    REQUIRE_FALSE(candidates.empty());
    const BlockIndex block{candidates.begin.value + random() % candidates.count().value};
    const auto answer = writer.answer({{}, reorg->request(block), {}, {}});
    REQUIRE(answer.has_value());
    REQUIRE(reorg->take(*answer->hash, reader.nodes).has_value());
    ++requests;
  }
  Reorg::Outcome outcome = std::move(*reorg).outcome();
  reader.nodes.cut(outcome.ancestor);
  reader.nodes.put(outcome.nodes);
  reader.head = outcome.head;
  reader.held.truncate(end_of(outcome.ancestor));
  return outcome.ancestor;
}

}  // namespace

TEST_CASE(
    "reorg: the ancestor is where the histories part, and the reader goes on as if it had always been "
    "there") {
  std::mt19937_64 random(5);
  std::size_t reorgs = 0, requests = 0;
  for (std::uint64_t old = 1; old <= 13; ++old) {
    for (std::uint64_t cut = 0; cut <= old; ++cut) {
      for (const std::uint64_t more : {0, 1, 2, 5, 13}) {
        if (cut + more == 0) continue;
        LogWriter writer(test::key_pair_of(1));
        writer.append(old);
        LogReader reader = reader_with(writer, 1);
        writer.truncate({cut}, {1});
        writer.append(more, 1);
        const Length ancestor = follow(reader, writer, random, requests);
        REQUIRE(ancestor.value == cut);
        REQUIRE(reader.head == writer.head);
        REQUIRE(test::tells_the_truth(reader, writer));
        REQUIRE(reader.held.count().value == cut);
        for (std::uint64_t block = 0; block < cut + more; ++block) {
          if (reader.held.test({block})) continue;
          const std::uint64_t nodes = missing_nodes(BlockIndex{block}, reader.head.length, reader.held);
          REQUIRE(nodes >= *missing_nodes(BlockIndex{block}, reader.head.length, reader.nodes));
          REQUIRE(reader.take(*writer.answer({BlockRequest{{block}, nodes}, {}, {}, {}})).has_value());
        }
        REQUIRE(reader.nodes.nodes == writer.nodes.nodes);
        ++reorgs;
      }
    }
  }
  MESSAGE(reorgs, " reorgs, ", requests, " hash requests");
}

TEST_CASE("reorg: a sparse reader keeps only what it can be sure of, and never a wrong node") {
  std::mt19937_64 random(6);
  std::size_t requests = 0;
  for (std::uint64_t round = 0; round < 120; ++round) {
    LogWriter writer(test::key_pair_of(1));
    const std::uint64_t old = 1 + random() % 60;
    writer.append(old);
    LogReader reader = reader_with(writer, 1 + random() % 9);
    for (std::uint64_t fork = 1; fork < 4; ++fork) {
      const std::uint64_t cut = random() % (writer.head.length.value + 1);
      writer.truncate({cut}, {fork * 3});
      writer.append(1 + random() % 20, static_cast<std::uint8_t>(fork));
      const Length ancestor = follow(reader, writer, random, requests);
      REQUIRE(ancestor.value <= cut);
      REQUIRE(reader.head == writer.head);
      REQUIRE(test::tells_the_truth(reader, writer));
      for (int i = 0; i < 5; ++i) {
        const std::uint64_t block = random() % writer.head.length.value;
        if (reader.held.test({block})) continue;
        const std::uint64_t nodes = missing_nodes(BlockIndex{block}, reader.head.length, reader.held);
        REQUIRE(nodes >= *missing_nodes(BlockIndex{block}, reader.head.length, reader.nodes));
        REQUIRE(reader.take(*writer.answer({BlockRequest{{block}, nodes}, {}, {}, {}})).has_value());
      }
    }
  }
  MESSAGE(requests, " hash requests");
}

TEST_CASE("reorg: lower and equal forks, unsigned and partial ones are not followed") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(8);
  LogReader reader = reader_with(writer, 1);
  const TreeHead old = writer.head;
  writer.truncate({3}, {2});
  writer.append(4, 1);
  const Proof proof = from_zero(writer);
  const auto begin = [&](const Proof& with, Fork fork) {
    const auto reorg =
        Reorg::begin(with, nullptr, fork, reader.head, reader.manifest, reader.key, reader.nodes, limits);
    return reorg ? Error{} : reorg.error();
  };
  CHECK(begin(proof, {2}) == Error{});
  CHECK(begin(proof, {0}) == ProtocolErrc::wrong_fork);
  CHECK(begin(proof, {3}) == ProtocolErrc::invalid_signature);
  CHECK(begin({}, {2}) == ProtocolErrc::invalid_proof);
  CHECK(begin(*writer.answer({{}, {}, {}, UpgradeRequest{{3}, {4}}}), {2}) == ProtocolErrc::invalid_proof);
  Proof bent = proof;
  bent.upgrade->nodes[0].hash.value[3] ^= std::byte{1};
  CHECK(begin(bent, {2}) == ProtocolErrc::invalid_signature);
  bent = proof;
  bent.upgrade->signature = old.signature;
  CHECK(begin(bent, {2}) == ProtocolErrc::invalid_signature);
  reader.nodes.failure = make_error_code(boost::system::errc::io_error);
  CHECK(begin(proof, {2}) == boost::system::errc::io_error);
}

TEST_CASE("reorg: only a path that leads to the differing node narrows it down") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(16);
  LogReader reader = reader_with(writer, 1);
  writer.truncate({5}, {1});
  writer.append(11, 1);
  auto reorg = Reorg::begin(from_zero(writer), nullptr, {1}, reader.head, reader.manifest, reader.key,
                            reader.nodes, limits);
  REQUIRE((reorg && !reorg->finished()));
  CHECK(reorg->candidates() == BlockRange{{0}, {16}});
  const HashRequest request = reorg->request({6});
  CHECK(request == HashRequest{{12}, 4});
  const HashProof good = *writer.answer({{}, request, {}, {}})->hash;
  const auto refused = [&](const HashProof& bent) {
    CHECK_FALSE(reorg->take(bent, reader.nodes).has_value());
    CHECK(reorg->candidates() == BlockRange{{0}, {16}});
  };
  HashProof bent = good;
  bent.nodes.pop_back();
  refused(bent);
  bent = good;
  bent.nodes[2].hash.value[0] ^= std::byte{1};
  refused(bent);
  bent = good;
  bent.index = {14};
  refused(bent);
  refused({{15}, {writer.nodes.nodes.at({15})}});  // the node itself tells nothing new
  refused({{40}, good.nodes});
  refused({});
  // Our own old path is no proof of theirs.
  LogWriter old(test::key_pair_of(1));
  old.append(16);
  refused(*old.answer({{}, request, {}, {}})->hash);
  REQUIRE(reorg->take(good, reader.nodes).has_value());
  if (!reorg->finished()) {
    const auto last = writer.answer({{}, reorg->request({5}), {}, {}});
    REQUIRE(reorg->take(*last->hash, reader.nodes).has_value());
  }
  CHECK(std::move(*reorg).outcome().ancestor.value == 5);
}

TEST_CASE("conflict: equal trees, two signed histories, and noise are told apart") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  LogWriter twin(test::key_pair_of(1));
  twin.append(6);
  twin.append(9, 1);  // the same signer, another history
  LogReader reader = reader_with(writer, 1);
  const auto outcome = [&](LogWriter& from, std::uint64_t at, std::uint64_t length) {
    const Proof proof = *from.answer({{}, {}, {}, UpgradeRequest{{}, {length}}}, {at});
    return compare(*proof.upgrade, reader.head, reader.manifest, reader.key, reader.nodes, limits);
  };
  for (std::uint64_t at = 1; at <= 13; ++at)
    for (std::uint64_t length = 1; length <= at; ++length) {
      CHECK(outcome(writer, at, length).value() == Comparison::equal);
      // Up to block 6 the two agree, whatever comes after.
      CHECK(outcome(twin, at, length).value() == (length <= 6 ? Comparison::equal : Comparison::conflict));
    }
  CHECK(outcome(twin, 15, 13).value() == Comparison::conflict);
  CHECK(outcome(twin, 15, 15).error() == ProtocolErrc::refused);

  Proof proof = *twin.answer({{}, {}, {}, UpgradeRequest{{}, {13}}});
  proof.upgrade->nodes[1].hash.value[9] ^= std::byte{4};
  CHECK(*compare(*proof.upgrade, reader.head, reader.manifest, reader.key, reader.nodes, limits) ==
        Comparison::invalid);
  LogWriter stranger(test::key_pair_of(2));
  stranger.append(13, 2);
  CHECK(outcome(stranger, 13, 13).value() == Comparison::invalid);
  // Another fork is no conflict: its signature does not hold for ours.
  LogWriter forked(test::key_pair_of(1));
  forked.head.fork = {1};
  forked.append(13, 3);
  CHECK(outcome(forked, 13, 13).value() == Comparison::invalid);
}
