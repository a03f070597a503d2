// What one peer asks of another's tree, and what the other answers: plain values, the same for the wire
// (messages.hpp), for whoever makes proofs (prover.hpp) and for whoever checks them (verifier.hpp).
//
// Format: docs/wire.md, Log and Replication. `value` and `signature` of a proof are views: of the
// receive buffer when it was decoded, of the caller's block when it was made. Node lists are vectors,
// because a block of a linear download carries none or one; an empty one costs no allocation.
#pragma once

#include <optional>
#include <vector>

#include "protocol/tree_node.hpp"

namespace sheaf {

// A block and the hashes that lead from it to a node the asker has verified: `nodes` parents up.
struct BlockRequest {
  BlockIndex index;
  std::uint64_t nodes{};
  bool operator==(const BlockRequest&) const = default;
};

// The same for a node of the tree, without a block.
struct HashRequest {
  TreeIndex index;
  std::uint64_t nodes{};
  bool operator==(const HashRequest&) const = default;
};

// The node where a byte lies; `padding` bytes of each block do not count (block encryption).
struct SeekRequest {
  ByteCount bytes;
  ByteCount padding;
  bool operator==(const SeekRequest&) const = default;
};

// What turns the head of length `start` into a signed one of at least start + length.
struct UpgradeRequest {
  Length start;
  Length length;
  bool operator==(const UpgradeRequest&) const = default;
};

struct ProofRequest {
  std::optional<BlockRequest> block;
  std::optional<HashRequest> hash;
  std::optional<SeekRequest> seek;
  std::optional<UpgradeRequest> upgrade;
  bool operator==(const ProofRequest&) const = default;
};

struct BlockProof {
  BlockIndex index;
  Bytes value;
  std::vector<TreeNode> nodes;  // siblings, from the leaf upwards
};

struct HashProof {
  TreeIndex index;
  std::vector<TreeNode> nodes;  // the node itself, then siblings upwards
};

struct SeekProof {
  ByteCount bytes;
  std::vector<TreeNode> nodes;  // the node that the byte was found under, then siblings upwards
};

struct UpgradeProof {
  Length start;
  Length length;
  std::vector<TreeNode> nodes;       // from start to start + length
  std::vector<TreeNode> additional;  // from there to the length that the signature covers
  Bytes signature;                   // empty: absent
};

struct Proof {
  std::optional<BlockProof> block;
  std::optional<HashProof> hash;
  std::optional<SeekProof> seek;
  std::optional<UpgradeProof> upgrade;
};

}  // namespace sheaf
