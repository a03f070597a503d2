// A writer with all its blocks and a reader that learns: the log's mathematics without store or network.
#pragma once

#include <array>
#include <map>

#include "protocol/authority.hpp"
#include "protocol/bitfield.hpp"
#include "protocol/codec.hpp"
#include "protocol/crypto.hpp"
#include "protocol/flat_tree.hpp"
#include "protocol/missing_nodes.hpp"
#include "protocol/prover.hpp"
#include "protocol/verifier.hpp"

namespace sheaf::test {

class MapNodes final : public NodeReader {
 public:
  std::map<TreeIndex, TreeNode> nodes;
  std::optional<Error> failure;  // what every read gives, when set

  Result<std::optional<TreeNode>> node(TreeIndex index) override {
    if (failure) return *failure;
    const auto at = nodes.find(index);
    return at == nodes.end() ? std::nullopt : std::optional(at->second);
  }
  void put(std::span<const TreeNode> more) {
    for (const TreeNode& node : more) nodes[node.index] = node;
  }
  // As a store cuts a core back: whatever touches a block at or past the length goes.
  void cut(Length length) {
    std::erase_if(nodes, [&](const auto& entry) { return !flat_tree::within(entry.first, length); });
  }
};

// The rule of tree.json: block i has length 0 if i == 7, else 1 + (5 i mod 17).
inline Buffer rule_block(std::uint64_t i) {
  Buffer out(i == 7 ? 0 : 1 + 5 * i % 17);
  for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<std::byte>((11 * i + 3 * j + 1) % 256);
  return out;
}

inline KeyPair key_pair_of(std::uint8_t name) {
  std::array<std::byte, 32> seed{};
  seed[0] = std::byte{name};
  return crypto::key_pair(Seed::from(seed));
}

// A core as its writer has it, with every state it ever signed on the way.
struct LogWriter {
  explicit LogWriter(KeyPair pair, bool compat = false)
      : keys(std::move(pair)),
        manifest(compat ? std::nullopt : std::optional(default_manifest(keys.public_key))),
        key(manifest ? core_key(*manifest) : CoreKey::from(keys.public_key.bytes())) {}

  void append(std::uint64_t count, std::uint8_t flavour = 0) {
    for (; count > 0; --count) {
      blocks.push_back(rule_block(blocks.size()));
      if (flavour != 0) blocks.back().push_back(std::byte{flavour});
      const Bytes block = blocks.back();
      auto appended = append_blocks(head, std::span(&block, 1));
      nodes.put(appended->nodes);
      head = std::move(appended->head);
      sign();
    }
  }

  void truncate(Length length, Fork fork) {
    head = *head_at(head, length, nodes);
    head.fork = fork;
    nodes.cut(length);
    blocks.resize(length.value);
    sign();
  }

  void sign() {
    head.signature = sign_head(head, manifest, key, keys);
    states[{head.fork.value, head.length.value}] = head;
  }

  // A proof with the block's value; the proof's views live as long as the writer.
  Result<Proof> answer(const ProofRequest& request, Length at) {
    const TreeHead& from = states.at({head.fork.value, at.value});
    auto proof = produce(request, from, prologue_length(manifest, key), nodes);
    if (proof && proof->block) proof->block->value = blocks.at(proof->block->index.value);
    return proof;
  }
  Result<Proof> answer(const ProofRequest& request) { return answer(request, head.length); }

  KeyPair keys;
  std::optional<Manifest> manifest;
  CoreKey key;
  TreeHead head;
  MapNodes nodes;
  std::vector<Buffer> blocks;
  std::map<std::pair<std::uint64_t, std::uint64_t>, TreeHead> states;
};

// Someone who knows the key and stores what holds.
struct LogReader {
  explicit LogReader(const LogWriter& writer) : key(writer.key), manifest(writer.manifest) {}

  Result<void> take(const Proof& proof, const Manifest* sent = nullptr) {
    auto verified = verify(proof, sent, head, manifest, key, nodes);
    if (!verified) return verified.error();
    nodes.put(verified->nodes);
    if (verified->head) head = std::move(*verified->head);
    if (verified->manifest) manifest = std::move(*verified->manifest);
    if (proof.block) held.set(proof.block->index);
    return {};
  }

  CoreKey key;
  std::optional<Manifest> manifest;
  TreeHead head;
  MapNodes nodes;
  Bitfield held;
};

// All that the reader holds is what the writer has.
inline bool tells_the_truth(const LogReader& reader, const LogWriter& writer) {
  for (const auto& [index, node] : reader.nodes.nodes) {
    const auto at = writer.nodes.nodes.find(index);
    if (at == writer.nodes.nodes.end() || at->second != node) return false;
  }
  return true;
}

}  // namespace sheaf::test
