// Everything a writer of any length can be asked proves itself to every reader, and nothing else does.
#include <random>

#include <doctest/doctest.h>

#include "protocol/signables.hpp"
#include "tests/support/log_world.hpp"
#include "tests/support/proof_wire.hpp"

using namespace sheaf;
using test::LogReader;
using test::LogWriter;

namespace {

LogReader reader_at(LogWriter& writer, std::uint64_t length) {
  LogReader reader(writer);
  if (length == 0) return reader;
  const Proof proof = *writer.answer({{}, {}, {}, UpgradeRequest{{}, {length}}}, {length});
  REQUIRE(reader.take(proof).has_value());
  return reader;
}

ProofRequest block_request(const LogReader& reader, std::uint64_t block) {
  return {
      BlockRequest{{block}, missing_nodes(BlockIndex{block}, reader.head.length, reader.held)}, {}, {}, {}};
}

bool unchanged(const LogReader& reader, const LogReader& before) {
  return reader.nodes.nodes == before.nodes.nodes && reader.head == before.head &&
         reader.manifest == before.manifest;
}

std::vector<std::vector<TreeNode>*> node_lists(Proof& proof) {
  std::vector<std::vector<TreeNode>*> out;
  if (proof.block) out.push_back(&proof.block->nodes);
  if (proof.hash) out.push_back(&proof.hash->nodes);
  if (proof.seek) out.push_back(&proof.seek->nodes);
  if (proof.upgrade) {
    out.push_back(&proof.upgrade->nodes);
    out.push_back(&proof.upgrade->additional);
  }
  return out;
}

// Flips each bit of each field of a proof and tries it: rejected every time, and nothing of it is kept.
std::size_t flip_every_bit(const Proof& proof, const LogReader& before) {
  std::size_t tried = 0;
  const auto refused = [&](const Proof& bent) {
    LogReader reader = before;
    REQUIRE_FALSE(reader.take(bent).has_value());
    REQUIRE(unchanged(reader, before));
    ++tried;
  };
  Proof bent = proof;
  Buffer value, signature;
  if (proof.block) value = to_buffer(proof.block->value);
  if (proof.upgrade) signature = to_buffer(proof.upgrade->signature);
  if (bent.block) bent.block->value = value;
  if (bent.upgrade) bent.upgrade->signature = signature;
  for (std::size_t bit = 0; bit < 8 * value.size(); ++bit) {
    value[bit / 8] ^= std::byte{1} << (bit % 8);
    refused(bent);
    value[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  for (std::size_t bit = 16; bit < 8 * std::min<std::size_t>(signature.size(), 66); ++bit) {
    signature[bit / 8] ^= std::byte{1} << (bit % 8);
    refused(bent);
    signature[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  for (std::vector<TreeNode>* list : node_lists(bent)) {
    for (TreeNode& node : *list) {
      for (unsigned bit = 0; bit < 256; ++bit) {
        node.hash.value[bit / 8] ^= std::byte{1} << (bit % 8);
        refused(bent);
        node.hash.value[bit / 8] ^= std::byte{1} << (bit % 8);
      }
      for (unsigned bit = 0; bit < 53; ++bit) {
        for (std::uint64_t* number : {&node.index.value, &node.size.value}) {
          *number ^= std::uint64_t{1} << bit;
          refused(bent);
          *number ^= std::uint64_t{1} << bit;
        }
      }
    }
  }
  return tried;
}

}  // namespace

TEST_CASE("proofs: any order of blocks fills any reader, with exactly the nodes it lacks") {
  std::mt19937_64 random(1);
  std::size_t proofs = 0, values_only = 0;
  for (std::uint64_t length = 1; length <= 33; ++length) {
    LogWriter writer(test::key_pair_of(1));
    writer.append(length);
    for (std::uint64_t start = 0; start <= length; start += 1 + start / 4) {
      // From the head of a shorter length, some blocks of it, then the upgrade, then the rest.
      LogReader reader = reader_at(writer, start);
      std::vector<std::uint64_t> order;
      for (std::uint64_t block = 0; block < length; ++block) order.push_back(block);
      std::ranges::shuffle(order, random);
      const auto fetch = [&](std::uint64_t block) {
        const ProofRequest request = block_request(reader, block);
        // Counted from the blocks held: never fewer than what the store lacks, and exactly as many unless
        // an upgrade left nodes of a shorter length behind.
        const std::uint64_t lacking = *missing_nodes(BlockIndex{block}, reader.head.length, reader.nodes);
        REQUIRE(request.block->nodes >= lacking);
        if (start == length || start == 0) REQUIRE(request.block->nodes == lacking);
        const auto proof = writer.answer(request, reader.head.length);
        REQUIRE(proof.has_value());
        REQUIRE(proof->block->nodes.size() == request.block->nodes);
        Buffer wire;
        REQUIRE(reader.take(test::over_the_wire(*proof, wire)).has_value());
        values_only += proof->block->nodes.empty();
        ++proofs;
      };
      for (const std::uint64_t block : order)
        if (block < start && block % 3 == 0) fetch(block);
      if (start < length)
        REQUIRE(
            reader.take(*writer.answer({{}, {}, {}, UpgradeRequest{{start}, {length - start}}})).has_value());
      for (const std::uint64_t block : order)
        if (!reader.held.test({block})) fetch(block);
      REQUIRE(reader.head == writer.head);
      REQUIRE(reader.nodes.nodes == writer.nodes.nodes);
      REQUIRE(reader.held.contiguous() == writer.head.length);
    }
  }
  MESSAGE(proofs, " block proofs, ", values_only, " of them a value alone");
}

TEST_CASE("proofs: every upgrade request, alone and with any block, hash or seek, is accepted") {
  std::size_t proofs = 0, refused = 0;
  for (const std::uint64_t length : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 33}) {
    LogWriter writer(test::key_pair_of(1));
    writer.append(length);
    const std::uint64_t bytes = writer.head.byte_length.value;
    for (std::uint64_t start = 0; start < length; start += length < 17 ? 1 : 3) {
      LogReader before = reader_at(writer, start);
      const auto accepted = [&](const ProofRequest& request) {
        const auto proof = writer.answer(request);
        REQUIRE(proof.has_value());
        REQUIRE(answers(*proof, request));
        LogReader reader = before;
        const auto taken = reader.take(*proof);
        REQUIRE_MESSAGE(taken.has_value(), "length ", length, " start ", start);
        REQUIRE(reader.head == writer.head);
        REQUIRE(test::tells_the_truth(reader, writer));
        ++proofs;
      };
      for (std::uint64_t more = 1; start + more <= length; more += length < 17 ? 1 : 5) {
        const UpgradeRequest upgrade{{start}, {more}};
        accepted({{}, {}, {}, upgrade});
        for (std::uint64_t block = 0; block < start + more; ++block) {
          const std::uint64_t nodes = *missing_nodes(BlockIndex{block}, {start}, before.nodes);
          accepted({BlockRequest{{block}, nodes}, {}, {}, upgrade});
        }
        if (length > 13) continue;
        for (std::uint64_t index = 0; index < 2 * (start + more); ++index) {
          const TreeIndex x{index};
          const ProofRequest request{
              {}, HashRequest{x, *missing_nodes(x, {start}, before.nodes)}, {}, upgrade};
          const BlockRange blocks = flat_tree::blocks(x);
          const bool across = blocks.begin.value < start && blocks.end.value > start;
          if (across || blocks.end.value > start + more) {
            REQUIRE(writer.answer(request).error() == ProtocolErrc::refused);
            ++refused;
          } else {
            accepted(request);
          }
        }
        for (std::uint64_t byte = 0; byte <= bytes + 2; byte += 4)
          accepted({{}, {}, SeekRequest{{byte}, {}}, upgrade});
      }
    }
  }
  MESSAGE(proofs, " proofs accepted, ", refused, " requests refused");
}

TEST_CASE("proofs: hash and seek requests lead a reader to every byte") {
  std::size_t steps = 0;
  for (std::uint64_t length : {1, 2, 3, 7, 8, 13, 33}) {
    LogWriter writer(test::key_pair_of(1));
    writer.append(length);
    for (std::uint64_t byte = 0; byte < writer.head.byte_length.value; ++byte) {
      LogReader reader = reader_at(writer, length);
      for (;;) {
        const auto found = seek({byte}, reader.head, reader.nodes);
        REQUIRE((found && *found));
        if ((*found)->found) {
          CHECK(seek({byte}, writer.head, writer.nodes)->value().block == (*found)->block);
          break;
        }
        const TreeIndex leaf = flat_tree::leaf(flat_tree::blocks((*found)->under).begin);
        const ProofRequest request{{},
                                   HashRequest{leaf, *missing_nodes(leaf, reader.head.length, reader.nodes)},
                                   SeekRequest{{byte}, {}},
                                   {}};
        const auto proof = writer.answer(request);
        REQUIRE(proof.has_value());
        REQUIRE(reader.take(*proof).has_value());
        REQUIRE(++steps < 100'000);
      }
      REQUIRE(test::tells_the_truth(reader, writer));
    }
  }
  MESSAGE(steps, " seek steps");
}

TEST_CASE("proofs: long cores, sparse readers") {
  std::mt19937_64 random(7);
  const Buffer block(1);
  for (std::uint64_t length : {1000, 4096, 5003}) {
    const std::vector<Bytes> blocks(length, Bytes(block));
    LogWriter writer(test::key_pair_of(1));
    auto made = append_blocks({}, blocks);
    writer.nodes.put(made->nodes);
    writer.head = made->head;
    writer.blocks.assign(length, block);
    writer.sign();
    LogReader reader = reader_at(writer, length);
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t index = random() % length;
      const ProofRequest request = block_request(reader, index);
      REQUIRE(request.block->nodes == *missing_nodes(BlockIndex{index}, reader.head.length, reader.nodes));
      REQUIRE(reader.take(*writer.answer(request)).has_value());
    }
    CHECK(test::tells_the_truth(reader, writer));
  }
}

TEST_CASE("proofs: each flipped bit of value, node, size, index and signature is rejected") {
  std::size_t flips = 0;
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const LogReader roots = reader_at(writer, 13);
  for (const std::uint64_t block : {0, 6, 7, 10, 12})
    flips += flip_every_bit(*writer.answer(block_request(roots, block)), roots);
  flips += flip_every_bit(*writer.answer({{}, HashRequest{{6}, 3}, {}, {}}), roots);
  flips += flip_every_bit(*writer.answer({{}, HashRequest{{0}, 3}, SeekRequest{{30}, {}}, {}}), roots);
  const LogReader five = reader_at(writer, 5);
  flips += flip_every_bit(*writer.answer({{}, {}, {}, UpgradeRequest{{5}, {8}}}), five);
  flips += flip_every_bit(*writer.answer({{}, {}, {}, UpgradeRequest{{5}, {4}}}), five);
  flips += flip_every_bit(*writer.answer({BlockRequest{{9}, 0}, {}, {}, UpgradeRequest{{5}, {8}}}), five);
  MESSAGE(flips, " flipped bits");
}

TEST_CASE("proofs: a node too few, too many, twice or out of order is rejected") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const LogReader roots = reader_at(writer, 13);
  const LogReader five = reader_at(writer, 5);
  const std::pair<Proof, const LogReader*> proofs[] = {
      {*writer.answer(block_request(roots, 0)), &roots},
      {*writer.answer({{}, HashRequest{{6}, 3}, {}, {}}), &roots},
      {*writer.answer({{}, HashRequest{{0}, 3}, SeekRequest{{30}, {}}, {}}), &roots},
      {*writer.answer({{}, {}, {}, UpgradeRequest{{5}, {8}}}), &five},
      {*writer.answer({{}, {}, {}, UpgradeRequest{{5}, {4}}}), &five},
      {*writer.answer({BlockRequest{{9}, 0}, {}, {}, UpgradeRequest{{5}, {8}}}), &five},
      {*writer.answer({BlockRequest{{2}, 2}, {}, {}, UpgradeRequest{{5}, {8}}}), &five}};
  std::size_t tried = 0;
  for (const auto& [proof, before] : proofs) {
    const auto refused = [&tried, before = before](const Proof& bent) {
      LogReader reader = *before;
      REQUIRE_FALSE(reader.take(bent).has_value());
      REQUIRE(unchanged(reader, *before));
      ++tried;
    };
    Proof lists = proof;
    for (std::size_t which = 0; which < node_lists(lists).size(); ++which) {
      const std::vector<TreeNode> whole = *node_lists(lists)[which];
      for (std::size_t i = 0; i < whole.size(); ++i) {
        Proof bent = proof;
        std::vector<TreeNode>& list = *node_lists(bent)[which];
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        refused(bent);
        list = whole;
        list.insert(list.begin() + static_cast<std::ptrdiff_t>(i), whole[i]);
        refused(bent);
        for (std::size_t j = 0; j < i; ++j) {
          // A sought node and its sibling change places: the same path, still true.
          if (bent.seek && &list == &bent.seek->nodes && i == 1) continue;
          list = whole;
          std::swap(list[i], list[j]);
          refused(bent);
        }
        for (const auto& [index, node] : writer.nodes.nodes) {
          if (node == whole[i]) continue;
          list = whole;
          list[i] = node;
          refused(bent);
          list = whole;
          list.insert(list.begin() + static_cast<std::ptrdiff_t>(i) + 1, node);
          refused(bent);
        }
      }
    }
  }
  MESSAGE(tried, " bent lists");
}

TEST_CASE("proofs: a parent is no leaf and a leaf no parent") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(8);
  const LogReader roots = reader_at(writer, 8);
  // A block whose bytes are what a parent hashes: size and two child hashes.
  const TreeNode left = writer.nodes.nodes.at({0}), right = writer.nodes.nodes.at({2});
  Buffer structured;
  Writer(structured).u64(left.size.value + right.size.value);
  append(structured, left.hash.bytes());
  append(structured, right.hash.bytes());
  Proof proof;
  for (const std::uint64_t block : {0, 1}) {
    proof.block = BlockProof{{block}, structured, {writer.nodes.nodes.at({5}), writer.nodes.nodes.at({11})}};
    LogReader reader = roots;
    CHECK(reader.take(proof).error() == ProtocolErrc::invalid_proof);
  }
  // An inner node passed off as a leaf with the right number of siblings.
  proof.block.reset();
  for (const std::uint64_t index : {0, 2, 1}) {
    TreeNode inner = writer.nodes.nodes.at({1});
    inner.index = {index};
    proof.hash = HashProof{{index}, {inner, writer.nodes.nodes.at({5}), writer.nodes.nodes.at({11})}};
    LogReader reader = roots;
    CHECK(reader.take(proof).has_value() == (index == 1));
  }
  // A node known as inner, sent as a block: leaf and parent hashes differ in their first byte.
  LogReader informed = roots;
  REQUIRE(informed.take(*writer.answer(block_request(roots, 0))).has_value());
  proof.hash.reset();
  proof.block = BlockProof{{2}, structured, {writer.nodes.nodes.at({6})}};
  CHECK(informed.take(proof).error() == ProtocolErrc::invalid_proof);
}

TEST_CASE("proofs: an old signature, another fork, another core and another namespace sign nothing new") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const LogReader five = reader_at(writer, 5);
  Proof proof = *writer.answer({{}, {}, {}, UpgradeRequest{{5}, {8}}});
  const auto outcome = [&](Bytes signature) {
    LogReader reader = five;
    proof.upgrade->signature = signature;
    const auto taken = reader.take(proof);
    return taken ? Error{} : taken.error();
  };
  CHECK(outcome(writer.head.signature) == Error{});
  CHECK(outcome({}) == ProtocolErrc::invalid_signature);
  for (std::uint64_t length = 1; length < 13; ++length)
    CHECK(outcome(writer.states.at({0, length}).signature) == ProtocolErrc::invalid_signature);

  TreeHead other = writer.head;
  other.fork = {1};
  CHECK(outcome(sign_head(other, writer.manifest, writer.key, writer.keys)) ==
        ProtocolErrc::invalid_signature);

  Manifest manifest = *writer.manifest;
  manifest.signers[0].context = crypto::blake2b({as_bytes("another namespace")});
  CHECK(outcome(sign_head(writer.head, manifest, core_key(manifest), writer.keys)) ==
        ProtocolErrc::invalid_signature);
  const KeyPair stranger = test::key_pair_of(2);
  const Manifest theirs = default_manifest(stranger.public_key);
  CHECK(outcome(sign_head(writer.head, theirs, core_key(theirs), stranger)) ==
        ProtocolErrc::invalid_signature);
  const CoreKey compat = CoreKey::from(writer.keys.public_key.bytes());
  CHECK(outcome(sign_head(writer.head, std::nullopt, compat, writer.keys)) ==
        ProtocolErrc::invalid_signature);
}

TEST_CASE("proofs: a manifest is learned with the upgrade, or alone, only when it is the key's") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(3);
  const Proof upgrade = *writer.answer({{}, {}, {}, UpgradeRequest{{}, {3}}});
  LogReader reader(writer);
  reader.manifest.reset();
  const LogReader blank = reader;
  CHECK(reader.take(upgrade).error() == ProtocolErrc::invalid_signature);  // taken for a compat core
  const Manifest other = default_manifest(test::key_pair_of(2).public_key);
  CHECK(reader.take(upgrade, &other).error() == ProtocolErrc::invalid_manifest);
  CHECK(unchanged(reader, blank));
  REQUIRE(reader.take(upgrade, &*writer.manifest).has_value());
  CHECK(reader.manifest == writer.manifest);
  CHECK(reader.head == writer.head);

  LogReader alone = blank;
  REQUIRE(alone.take({}, &*writer.manifest).has_value());
  CHECK(alone.manifest == writer.manifest);
  CHECK(alone.head == TreeHead{});
  // One that is known is not replaced.
  REQUIRE(alone.take({}, &other).has_value());
  CHECK(alone.manifest == writer.manifest);

  LogWriter compat(test::key_pair_of(3), true);
  compat.append(5);
  LogReader follower(compat);
  REQUIRE(follower.take(*compat.answer({{}, {}, {}, UpgradeRequest{{}, {5}}})).has_value());
  CHECK(follower.head == compat.head);
}

TEST_CASE("proofs: a prologue travels whole, and its tree is held against the manifest") {
  LogWriter plain(test::key_pair_of(1));
  plain.append(13);
  for (const std::uint64_t length : {1, 5, 8, 13}) {
    LogWriter writer(test::key_pair_of(1));
    writer.manifest->prologue = Prologue{tree_hash(plain.states.at({0, length})), {length}};
    writer.key = core_key(*writer.manifest);
    writer.append(13);
    // Whatever is asked, the whole prologue comes, and the rest as additional nodes.
    for (std::uint64_t wanted = 1; wanted <= 13; ++wanted) {
      const auto proof = writer.answer({{}, {}, {}, UpgradeRequest{{}, {wanted}}});
      REQUIRE(proof.has_value());
      CHECK(proof->upgrade->length.value == length);
      LogReader reader(writer);
      REQUIRE(reader.take(*proof).has_value());
      CHECK(reader.head == writer.head);
    }
    // A signer who signs another beginning is not believed.
    LogWriter liar(test::key_pair_of(1));
    liar.manifest = writer.manifest;
    liar.key = writer.key;
    liar.append(13, 1);
    LogReader reader(writer);
    CHECK(reader.take(*liar.answer({{}, {}, {}, UpgradeRequest{{}, {13}}})).error() ==
          ProtocolErrc::invalid_proof);
  }
}

TEST_CASE("proofs: an upgrade made for another length of ours is nobody's fault and teaches nothing") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  LogReader reader = reader_at(writer, 8);
  const LogReader before = reader;
  CHECK(reader.take(*writer.answer({{}, {}, {}, UpgradeRequest{{5}, {8}}})).error() ==
        ProtocolErrc::missing_node);
  CHECK(reader.take(*writer.answer({{}, {}, {}, UpgradeRequest{{9}, {4}}})).error() ==
        ProtocolErrc::missing_node);
  CHECK(unchanged(reader, before));
  // One that brings no more than is known is passed over; its block counts where it leads to a known node.
  CHECK(reader.take(*writer.answer({{}, {}, {}, UpgradeRequest{{0}, {5}}}, {8})).has_value());
  CHECK(unchanged(reader, before));
  const Proof with_block = *writer.answer({BlockRequest{{6}, 0}, {}, {}, UpgradeRequest{{0}, {8}}}, {8});
  CHECK(reader.take(with_block).has_value());
  CHECK(reader.head == before.head);
  CHECK(test::tells_the_truth(reader, writer));
}

TEST_CASE("proofs: bounds hold before anything is hashed, and sums do not wrap") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const LogReader roots = reader_at(writer, 13);
  const auto outcome = [&](const Proof& proof) {
    LogReader reader = roots;
    const auto taken = reader.take(proof);
    REQUIRE_FALSE(taken.has_value());
    REQUIRE(unchanged(reader, roots));
    return taken.error();
  };
  const Proof block = *writer.answer(block_request(roots, 0));
  Proof bent = block;
  bent.block->nodes.resize(65);
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.block->nodes.resize(1'000'000);
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent = block;
  bent.block->nodes[0].size = {max_wire_integer + 1};
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent = block;
  bent.block->nodes[0].size = {max_wire_integer};
  CHECK(outcome(bent) == ProtocolErrc::malformed);
  bent = block;
  bent.block->index = {flat_tree::longest.value};
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.block->index = {flat_tree::longest.value - 1};
  CHECK(outcome(bent) == ProtocolErrc::invalid_proof);
  bent = block;
  bent.hash = HashProof{{0}, {}};
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.block.reset();
  CHECK(outcome(bent) == ProtocolErrc::invalid_proof);
  bent.hash = HashProof{{max_wire_integer}, {TreeNode{{max_wire_integer}, {}, {}}}};
  CHECK(outcome(bent) == ProtocolErrc::missing_node);
  bent.hash->nodes.push_back({{max_wire_integer}, {}, {}});
  CHECK(outcome(bent) == ProtocolErrc::invalid_proof);

  bent = {};
  bent.upgrade = UpgradeProof{{13}, {max_wire_integer}, {}, {}, writer.head.signature};
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.upgrade->start = {max_wire_integer};
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.upgrade = UpgradeProof{{13}, {1}, {}, {}, writer.head.signature};
  bent.upgrade->additional.assign(60, TreeNode{{(std::uint64_t{1} << 52) - 1}, {}, {}});
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  bent.upgrade->additional.clear();
  bent.upgrade->nodes = {TreeNode{{26}, {max_wire_integer}, {}}};
  CHECK(outcome(bent) == ProtocolErrc::malformed);
  bent.upgrade->nodes.clear();
  const Buffer long_signature(100'000);
  bent.upgrade->signature = long_signature;
  CHECK(outcome(bent) == ProtocolErrc::malformed_proof);
  // A claim of 2^52 - 14 more blocks fails at its first missing node.
  bent.upgrade = UpgradeProof{{13}, {flat_tree::longest.value - 13}, {}, {}, writer.head.signature};
  CHECK(outcome(bent) == ProtocolErrc::invalid_proof);
  // Every part within its bound, all together not.
  Limits limits;
  limits.proof_nodes = 2;
  CHECK(verify(block, nullptr, roots.head, roots.manifest, roots.key, const_cast<LogReader&>(roots).nodes,
               limits)
            .error() == ProtocolErrc::malformed_proof);
}

TEST_CASE("proofs: a batch leans on its own earlier proofs, and a bad one in it harms no other") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(33);
  LogReader reader = reader_at(writer, 13);
  // Requests of a linear download are made at once: each block counts on the one before.
  std::vector<Proof> proofs;
  LogReader shadow = reader;
  for (std::uint64_t block = 0; block < 13; ++block) {
    proofs.push_back(*writer.answer(block_request(shadow, block), {13}));
    shadow.held.set(BlockIndex{block});
  }
  proofs.push_back(*writer.answer({BlockRequest{{20}, 0}, {}, {}, UpgradeRequest{{13}, {20}}}));
  const auto place = proofs.size() - 1;
  shadow.head = writer.head;
  shadow.held.set(BlockIndex{20});
  proofs.push_back(*writer.answer(block_request(shadow, 21)));
  const Buffer altered = test::rule_block(5);
  Proof bad = proofs[4];
  bad.block->value = altered;
  proofs.insert(proofs.begin() + 4, bad);

  std::vector<Incoming> incoming;
  for (const Proof& proof : proofs) incoming.push_back({&proof});
  std::vector<Result<void>> results(proofs.size());
  Verifier verifier(reader.key, reader.head, reader.manifest, reader.nodes);
  verifier.check_all(incoming, results);
  for (std::size_t i = 0; i < results.size(); ++i) {
    CAPTURE(i);
    CHECK(results[i].has_value() == (i != 4));
  }
  CHECK(place == 13);
  CHECK(verifier.head() == writer.head);
  const Verified learned = verifier.take();
  REQUIRE(learned.head.has_value());
  CHECK(*learned.head == writer.head);
  CHECK_FALSE(learned.manifest.has_value());
  reader.nodes.put(learned.nodes);
  CHECK(test::tells_the_truth(reader, writer));
  for (std::uint64_t index = 0; index < 26; ++index)
    if (flat_tree::within({index}, {13})) CHECK(reader.nodes.nodes.contains({index}));
}

TEST_CASE("proofs: the store's error is passed on, whoever asked") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  LogReader reader = reader_at(writer, 13);
  const Proof proof = *writer.answer(block_request(reader, 0));
  const Proof deeper = *writer.answer({BlockRequest{{0}, 2}, {}, {}, {}});
  reader.nodes.failure = make_error_code(boost::system::errc::io_error);
  CHECK(reader.take(proof).has_value());  // leads to a root, which the head has
  CHECK(reader.take(deeper).error() == boost::system::errc::io_error);
  CHECK(missing_nodes(BlockIndex{0}, reader.head.length, reader.nodes).error() ==
        boost::system::errc::io_error);
  writer.nodes.failure = reader.nodes.failure;
  CHECK(writer.answer({BlockRequest{{0}, 3}, {}, {}, {}}).error() == boost::system::errc::io_error);
}

TEST_CASE("proofs: what a request may not ask is refused, what is not here is said to be missing") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const auto refused = [&](const ProofRequest& request) {
    return writer.answer(request).error() == ProtocolErrc::refused;
  };
  CHECK(refused({BlockRequest{{0}, 4}, {}, {}, {}}));
  CHECK(refused({BlockRequest{{0}, max_wire_integer}, {}, {}, {}}));
  CHECK(refused({BlockRequest{{13}, 0}, {}, {}, {}}));
  CHECK(refused({BlockRequest{{max_wire_integer}, 0}, {}, {}, {}}));
  CHECK(refused({{}, HashRequest{{max_wire_integer}, 0}, {}, {}}));
  CHECK(refused({{}, HashRequest{{23}, 0}, {}, {}}));
  CHECK(refused({{}, {}, {}, UpgradeRequest{{13}, {1}}}));
  CHECK(refused({{}, {}, {}, UpgradeRequest{{max_wire_integer}, {max_wire_integer}}}));
  CHECK(refused({{}, {}, {}, UpgradeRequest{{5}, {}}}));
  CHECK(refused({BlockRequest{{0}, 3}, {}, SeekRequest{{30}, {max_wire_integer}}, {}}));
  CHECK(refused({BlockRequest{{0}, 3}, {}, SeekRequest{{max_wire_integer}, {}}, {}}));
  // Without a part, and of an empty core, the answer is empty.
  CHECK_FALSE(writer.answer({})->upgrade.has_value());
  LogWriter empty(test::key_pair_of(1));
  empty.sign();
  CHECK_FALSE(empty.answer({{}, {}, {}, UpgradeRequest{{}, {5}}})->upgrade.has_value());

  writer.nodes.nodes.erase({5});
  CHECK(writer.answer({BlockRequest{{0}, 3}, {}, {}, {}}).error() == ProtocolErrc::missing_node);
}

TEST_CASE("proofs: an answer brings nothing that was not asked") {
  LogWriter writer(test::key_pair_of(1));
  writer.append(13);
  const ProofRequest block{BlockRequest{{2}, 3}, {}, {}, {}};
  const ProofRequest upgrade{{}, {}, {}, UpgradeRequest{{5}, {8}}};
  const ProofRequest seek{{}, HashRequest{{0}, 3}, SeekRequest{{30}, {}}, {}};
  for (const ProofRequest& request : {block, upgrade, seek}) {
    CHECK(answers(*writer.answer(request), request));
    CHECK(answers({}, request));
    CHECK_FALSE(answers(*writer.answer(request), {}));
  }
  CHECK_FALSE(answers(*writer.answer(block), {BlockRequest{{3}, 3}, {}, {}, {}}));
  CHECK_FALSE(answers(*writer.answer(upgrade), {{}, {}, {}, UpgradeRequest{{4}, {9}}}));
  CHECK_FALSE(answers(*writer.answer(seek), {{}, HashRequest{{0}, 3}, SeekRequest{{31}, {}}, {}}));
  CHECK_FALSE(answers(*writer.answer(seek), {{}, HashRequest{{2}, 3}, SeekRequest{{30}, {}}, {}}));
}
