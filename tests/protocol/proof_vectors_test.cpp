#include <doctest/doctest.h>

#include "tests/support/log_world.hpp"
#include "tests/support/proof_wire.hpp"

using namespace sheaf;
using test::LogReader;
using test::LogWriter;

namespace {

LogWriter vector_writer(std::uint64_t length) {
  LogWriter writer(crypto::key_pair(test::unhex_as<Seed>(test::vectors("wire/tree.json")["writerSeed"])));
  writer.append(length);
  return writer;
}

// A reader that knows the head of this length and nothing else.
LogReader reader_at(LogWriter& writer, std::uint64_t length) {
  LogReader reader(writer);
  if (length == 0) return reader;
  const Proof proof = *writer.answer({{}, {}, {}, UpgradeRequest{{}, {length}}}, {length});
  REQUIRE(reader.take(proof));
  REQUIRE(reader.head.length.value == length);
  return reader;
}

Buffer wire_of(const Proof& proof) {
  Buffer out;
  Writer writer(out);
  encode(writer, Data{1, {}, proof, {}});
  return out;
}

std::vector<std::uint64_t> indexes(const std::vector<TreeNode>& nodes) {
  std::vector<std::uint64_t> out;
  for (const TreeNode& node : nodes) out.push_back(node.index.value);
  return out;
}

}  // namespace

TEST_CASE("proof vectors: upgrades are made byte for byte and lead to the same roots") {
  const auto vectors = test::vectors("wire/proofs.json");
  for (const auto& entry : vectors["upgrades"]) {
    const std::uint64_t local = entry["local"], remote = entry["remote"];
    CAPTURE(local);
    CAPTURE(remote);
    LogWriter writer = vector_writer(remote);
    CHECK(to_hex(writer.key.bytes()) == vectors["writerKey"]);
    const auto proof = writer.answer(test::request_of(entry["request"]));
    REQUIRE(proof.has_value());
    CHECK(to_hex(wire_of(*proof)) == entry["data"]);
    CHECK(indexes(proof->upgrade->nodes) ==
          entry["decoded"]["upgradeNodes"].get<std::vector<std::uint64_t>>());

    LogReader reader = reader_at(writer, local);
    const Buffer wire = test::unhex(entry["data"]);
    REQUIRE(reader.take(decode_data(wire, {})->proof));
    CHECK(indexes(reader.head.roots) == entry["verifierRootsAfter"].get<std::vector<std::uint64_t>>());
    CHECK(reader.head == writer.head);
  }
  MESSAGE(vectors["upgrades"].size(), " upgrades");
}

TEST_CASE(
    "proof vectors: every request gets the reference's answer, and readers take it as the reference does") {
  const auto vectors = test::vectors("wire/proofs.json");
  for (const auto& entry : vectors["requests"]) {
    const std::string note = entry["note"];
    CAPTURE(note);
    LogWriter writer = vector_writer(13);
    const ProofRequest request = test::request_of(entry["request"]);
    const auto proof = writer.answer(request);
    if (entry.contains("error")) {
      CHECK(proof.error() == ProtocolErrc::refused);
      continue;
    }
    REQUIRE(proof.has_value());
    CHECK(to_hex(wire_of(*proof)) == entry["data"]);
    CHECK(answers(*proof, request));

    LogReader reader = reader_at(writer, entry["verifierLength"]);
    for (const auto& before : entry.value("verifierHasAlso", nlohmann::json::array()))
      REQUIRE(reader.take(*writer.answer(test::request_of(before))));
    const Buffer wire = test::unhex(entry["data"]);
    const auto taken = reader.take(decode_data(wire, {})->proof);
    const auto& expected = entry["verifier"];
    if (expected.contains("error")) {
      CHECK(taken.error() == ProtocolErrc::missing_node);
      continue;
    }
    REQUIRE(taken.has_value());
    CHECK(reader.head.length.value == expected["length"]);
    CHECK(*missing_nodes(BlockIndex{0}, reader.head.length, reader.nodes) ==
          expected["missingNodesOfBlock0"]);
    CHECK(test::tells_the_truth(reader, writer));
  }
  MESSAGE(vectors["requests"].size(), " requests");
}

TEST_CASE("proof vectors: every reject is rejected and nothing of it is kept") {
  const auto vectors = test::vectors("wire/proofs.json");
  for (const auto& entry : vectors["rejects"]) {
    const std::string note = entry["note"];
    CAPTURE(note);
    LogWriter writer = vector_writer(13);
    LogReader reader = reader_at(writer, entry["verifierLength"]);
    const auto nodes = reader.nodes.nodes;
    const TreeHead head = reader.head;
    const Buffer wire = test::unhex(entry["data"]);
    const auto data = decode_data(wire, {});
    REQUIRE(data.has_value());
    if (data->fork != head.fork) {
      // Whoever has the message looks at its fork; signed for another one it would not hold either.
      reader.head.fork = data->fork;
      CHECK(reader.take(data->proof).error() == ProtocolErrc::invalid_signature);
      continue;
    }
    CHECK_FALSE(reader.take(data->proof).has_value());
    CHECK(reader.nodes.nodes == nodes);
    CHECK(reader.head == head);
  }
  MESSAGE(vectors["rejects"].size(), " rejects");
}

TEST_CASE("proof vectors: missing nodes, counted in the store and counted from the blocks held") {
  const auto vectors = test::vectors("wire/proofs.json");
  LogWriter writer = vector_writer(13);
  LogReader reader = reader_at(writer, 13);
  const auto check = [&](const nlohmann::json& entry) {
    for (std::uint64_t block = 0; block < 13; ++block) {
      CAPTURE(block);
      CHECK(*missing_nodes(BlockIndex{block}, reader.head.length, reader.nodes) ==
            entry["nodesPerBlock"][block]);
      CHECK(missing_nodes(BlockIndex{block}, reader.head.length, reader.held) ==
            entry["nodesPerBlock"][block]);
    }
  };
  REQUIRE(vectors["missingNodes"].size() == 3);
  check(vectors["missingNodes"][0]);
  REQUIRE(reader.take(*writer.answer({BlockRequest{{4}, 3}, {}, {}, {}})));
  check(vectors["missingNodes"][1]);
  REQUIRE(reader.take(*writer.answer({BlockRequest{{9}, 2}, {}, {}, {}})));
  check(vectors["missingNodes"][2]);
  CHECK(*missing_nodes(BlockIndex{13}, reader.head.length, reader.nodes) == 0);
  CHECK(missing_nodes(BlockIndex{13}, reader.head.length, reader.held) == 0);
}
