// F10: true proofs, bent in every way, before a reader that knows part of the tree.
//
// The oracle is the truth: whatever is accepted, every node, head and block that the reader then has is the
// writer's. A flipped signature check (the canary skip_signature) is found within a second.
#include <iterator>

#include "protocol/messages.hpp"
#include "protocol/reorg.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/log_world.hpp"

using namespace sheaf;
using fuzz::expect;
using test::LogReader;
using test::LogWriter;

namespace {

constexpr std::uint64_t longest = 21;

LogWriter& truth() {
  static LogWriter writer = [] {
    LogWriter out(test::key_pair_of(1));
    out.append(longest);
    return out;
  }();
  return writer;
}

// Somebody else's core with other blocks: a tree that is whole and signed, but not by our writer.
LogWriter& lie() {
  static LogWriter writer = [] {
    LogWriter out(test::key_pair_of(2));
    out.append(longest, 1);
    return out;
  }();
  return writer;
}

// Somebody who has verified the head of some length and some blocks of it.
LogReader make_reader(fuzz::Choices& choices) {
  LogWriter& writer = truth();
  LogReader reader(writer);
  if (choices.byte() % 8 == 0) reader.manifest.reset();
  const std::uint64_t length = choices.byte() % (longest + 1);
  if (length == 0) return reader;
  reader.head = writer.states.at({0, length});
  reader.nodes.put(reader.head.roots);
  for (std::uint64_t left = choices.byte() % 4; left > 0; --left) {
    const BlockIndex block{choices.byte() % length};
    reader.held.set(block);
    for (TreeIndex x = flat_tree::leaf(block); flat_tree::within(x, {length}); x = flat_tree::parent(x)) {
      reader.nodes.nodes[x] = writer.nodes.nodes.at(x);
      const TreeIndex sibling = flat_tree::sibling(x);
      if (flat_tree::within(flat_tree::parent(x), {length}))
        reader.nodes.nodes[sibling] = writer.nodes.nodes.at(sibling);
    }
  }
  return reader;
}

ProofRequest make_request(fuzz::Choices& choices, const LogReader& reader, std::uint64_t remote) {
  ProofRequest out;
  const std::uint8_t parts = choices.byte();
  const std::uint64_t local = reader.head.length.value;
  const auto nodes_for = [&](TreeIndex x) {
    return (parts & 16) != 0 ? choices.byte() % 6 : missing_nodes(x, reader.head.length, reader.held);
  };
  if ((parts & 1) != 0) {
    const BlockIndex block{choices.byte() % remote};
    out.block = BlockRequest{block, nodes_for(flat_tree::leaf(block))};
  } else if ((parts & 2) != 0) {
    const TreeIndex index{choices.byte() % (2 * remote)};
    out.hash = HashRequest{index, nodes_for(index)};
  }
  if ((parts & 4) != 0) out.seek = SeekRequest{{choices.byte()}, {choices.byte() % 2u}};
  if ((parts & 8) != 0 && local < remote)
    out.upgrade = UpgradeRequest{{local}, {1 + choices.byte() % (remote - local)}};
  return out;
}

std::vector<std::vector<TreeNode>*> node_lists(Proof& proof) {
  std::vector<std::vector<TreeNode>*> out;
  if (proof.block) out.push_back(&proof.block->nodes);
  if (proof.hash) out.push_back(&proof.hash->nodes);
  if (proof.seek) out.push_back(&proof.seek->nodes);
  if (proof.upgrade) out.insert(out.end(), {&proof.upgrade->nodes, &proof.upgrade->additional});
  return out;
}

TreeNode some_node(fuzz::Choices& choices) {
  LogWriter& from = choices.byte() % 4 == 0 ? lie() : truth();
  const auto at = std::next(from.nodes.nodes.begin(),
                            static_cast<std::ptrdiff_t>(choices.byte() % from.nodes.nodes.size()));
  return at->second;
}

// What a bent proof's views point to.
struct Bent {
  Proof proof;
  Buffer value;
  Buffer signature;
};

void bend_list(fuzz::Choices& choices, std::vector<TreeNode>& list) {
  const std::size_t at = list.empty() ? 0 : choices.byte() % list.size();
  const auto place = list.begin() + static_cast<std::ptrdiff_t>(at);
  switch (choices.byte() % 8) {
    case 0:
      if (!list.empty()) list.erase(place);
      return;
    case 1: list.insert(place, some_node(choices)); return;
    case 2: list.push_back(some_node(choices)); return;
    case 3:
      if (!list.empty()) std::swap(list[at], list[choices.byte() % list.size()]);
      return;
    case 4:
      if (!list.empty()) list[at].hash.value[choices.byte() % 32] ^= std::byte{1} << (choices.byte() % 8);
      return;
    case 5:
      if (!list.empty()) list[at].size.value ^= std::uint64_t{1} << (choices.byte() % 53);
      return;
    case 6:
      if (!list.empty()) list[at].index.value ^= std::uint64_t{1} << (choices.byte() % 53);
      return;
    case 7:
      if (!list.empty()) list[at] = some_node(choices);
      return;
  }
}

void bend(fuzz::Choices& choices, Bent& bent) {
  Proof& proof = bent.proof;
  switch (choices.byte() % 8) {
    case 0:
    case 1:
    case 2: {
      const auto lists = node_lists(proof);
      if (!lists.empty()) bend_list(choices, *lists[choices.byte() % lists.size()]);
      return;
    }
    case 3:
      if (!proof.block) return;
      if (choices.byte() % 2 == 0)
        proof.block->index.value ^= std::uint64_t{1} << (choices.byte() % 53);
      else if (!bent.value.empty() && choices.byte() % 2 == 0)
        bent.value[choices.byte() % bent.value.size()] ^= std::byte{1} << (choices.byte() % 8);
      else
        bent.value = to_buffer(choices.bytes(choices.byte() % 80));
      proof.block->value = bent.value;
      return;
    case 4:
      if (!proof.upgrade) return;
      if (choices.byte() % 2 == 0)
        proof.upgrade->start.value ^= std::uint64_t{1} << (choices.byte() % 53);
      else
        proof.upgrade->length.value ^= std::uint64_t{1} << (choices.byte() % 53);
      return;
    case 5: {
      if (!proof.upgrade) return;
      // Of another length, another fork, another writer, or bent.
      const std::uint64_t length = 1 + choices.byte() % longest;
      const std::uint8_t kind = choices.byte() % 3;
      if (kind == 0) bent.signature = truth().states.at({0, length}).signature;
      if (kind == 1) bent.signature = lie().states.at({0, length}).signature;
      if (kind == 2 && !bent.signature.empty())
        bent.signature[choices.byte() % bent.signature.size()] ^= std::byte{1} << (choices.byte() % 8);
      proof.upgrade->signature = bent.signature;
      return;
    }
    case 6:
      // A path of one kind passed off as one of another.
      if (proof.block && choices.byte() % 2 == 0) {
        proof.hash = HashProof{flat_tree::leaf(proof.block->index), std::move(proof.block->nodes)};
        proof.block.reset();
      } else if (proof.hash) {
        proof.seek = SeekProof{{}, std::move(proof.hash->nodes)};
        proof.hash.reset();
      }
      return;
    case 7:
      if (proof.hash) proof.hash->index.value ^= std::uint64_t{1} << (choices.byte() % 53);
      return;
  }
}

// All that somebody has is the writer's.
void expect_truth(const LogReader& reader) {
  LogWriter& writer = truth();
  expect(test::tells_the_truth(reader, writer));
  if (reader.head.length.value == 0) return;
  const auto at = writer.states.find({reader.head.fork.value, reader.head.length.value});
  expect(at != writer.states.end());
  expect(reader.head.roots == at->second.roots && reader.head.byte_length == at->second.byte_length);
  expect(!reader.manifest || *reader.manifest == *writer.manifest);
}

// Takes a proof as it comes off the wire, bent there once more if the input says so.
void take_and_judge(fuzz::Choices& choices, LogReader& reader, const Proof& proof, bool with_manifest) {
  Buffer wire, manifest;
  encode_manifest(*truth().manifest, manifest);
  Writer writer(wire);
  encode(writer, Data{1, {}, proof, with_manifest ? Bytes(manifest) : Bytes()});
  for (std::uint8_t flips = choices.byte() % 16 == 0 ? choices.byte() % 4 : 0; flips > 0; --flips)
    wire[choices.below(wire.size())] ^= std::byte{1} << (choices.byte() % 8);
  const auto data = decode_data(wire, {});
  if (!data) return;
  std::optional<Manifest> sent;
  if (!data->manifest.empty())
    if (auto decoded = decode_manifest(data->manifest)) sent = std::move(*decoded);

  const auto nodes = reader.nodes.nodes;
  const TreeHead head = reader.head;
  if (!reader.take(data->proof, sent ? &*sent : nullptr)) {
    expect(reader.nodes.nodes == nodes && reader.head == head);
    return;
  }
  expect_truth(reader);
  if (!data->proof.block) return;
  const BlockIndex index = data->proof.block->index;
  expect(index < end_of(reader.head.length) && equal(data->proof.block->value, truth().blocks[index.value]));
}

// Sizes that a producer writes into a message are within the wire's integers, as ours always are.
bool fits_the_wire(Proof& proof) {
  for (const auto* list : node_lists(proof))
    for (const TreeNode& node : *list)
      if (node.index.value > max_wire_integer || node.size.value > max_wire_integer) return false;
  if (proof.block && proof.block->index.value > max_wire_integer) return false;
  if (proof.hash && proof.hash->index.value > max_wire_integer) return false;
  return !proof.upgrade ||
         (proof.upgrade->start.value <= max_wire_integer && proof.upgrade->length.value <= max_wire_integer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  LogReader reader = make_reader(choices);
  for (int proofs = 0; proofs < 3 && choices.left(); ++proofs) {
    LogWriter& from = choices.byte() % 8 == 0 ? lie() : truth();
    const std::uint64_t remote = 1 + choices.byte() % longest;
    const ProofRequest request = make_request(choices, reader, remote);
    const auto proof = from.answer(request, {remote});
    if (!proof) {
      expect(proof.error() == ProtocolErrc::refused);
      continue;
    }
    Bent bent{*proof, {}, {}};
    if (bent.proof.block) bent.value = to_buffer(bent.proof.block->value);
    if (bent.proof.upgrade) bent.signature = to_buffer(bent.proof.upgrade->signature);
    for (std::uint8_t left = choices.byte() % 4; left > 0; --left) bend(choices, bent);
    if (!fits_the_wire(bent.proof)) continue;
    // A conflict is only ever seen where the writer himself signed two histories; this one never did.
    if (bent.proof.upgrade)
      if (const auto compared =
              compare(*bent.proof.upgrade, reader.head, reader.manifest, reader.key, reader.nodes))
        expect(*compared != Comparison::conflict);
    take_and_judge(choices, reader, bent.proof, choices.byte() % 4 == 0);
  }
  return 0;
}
