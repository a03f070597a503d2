// When a writer has cut its history: following a higher fork, and telling a conflict from a delay.
//
// Formats: docs/wire.md, Log and Replication. Pure: proofs go in, the next hash request or
// the common ancestor comes out; our own nodes are read through a NodeReader of the old head.
#pragma once

#include "protocol/verifier.hpp"

namespace sheaf {

// Finds out how much of our core a higher fork shares with us.
class Reorg {
 public:
  // The answer to {fork, upgrade from 0}: verified with its signature against an empty tree. Fails like
  // Verifier::check(), with wrong_fork unless fork > own.fork, and with invalid_proof if it starts past 0.
  static Result<Reorg> begin(const Proof& proof, const Manifest* sent, Fork fork, const TreeHead& own,
                             const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                             const Limits& limits = {});

  // The ancestor is known.
  bool finished() const { return !differing_; }
  // While it is not: ask request(b) of a peer of that fork, for any block b of these.
  BlockRange candidates() const;
  HashRequest request(BlockIndex block) const;
  // Its answer. Fails with invalid_proof or malformed and then nothing has changed. Requires: !finished().
  Result<void> take(const HashProof& proof, NodeReader& nodes);

  struct Outcome {
    Length ancestor;                   // blocks below it stay, all others go, held or not
    TreeHead head;                     // the new one, signed
    std::vector<TreeNode> nodes;       // to be stored after the cut (merkle.hpp, nodes_across)
    std::optional<Manifest> manifest;  // set when it was not known before
  };
  // Requires: finished().
  Outcome outcome() &&;

 private:
  Reorg(const TreeHead& own, Verified verified, const Limits& limits);
  void learn(std::span<const TreeNode> nodes);
  const TreeNode* learned(TreeIndex index) const;
  Result<bool> ours(const TreeNode& theirs, NodeReader& nodes) const;
  Result<void> narrow(NodeReader& nodes);

  TreeHead own_;
  TreeHead head_;
  std::optional<Manifest> manifest_;
  std::vector<TreeNode> nodes_;  // all learned, by index
  std::optional<TreeNode> differing_;
  Length ancestor_;
  Limits limits_;
};

// How an upgrade proof from 0 of our own fork compares with our tree at that length.
enum class Comparison {
  equal,     // no conflict
  conflict,  // the writer signed two histories
  invalid,   // not signed: nothing follows from it
};

// Fails with refused when the proof starts past 0 or we are shorter, with missing_node, or with the store's
// error.
Result<Comparison> compare(const UpgradeProof& proof, const TreeHead& own,
                           const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                           const Limits& limits = {});

// The same of two proofs from 0 of one fork and length, whatever is here of it: shown together, they are how
// a peer proves a conflict to who has less. `sent`: the manifest that came along, or null.
Comparison compare(const UpgradeProof& one, const UpgradeProof& other, Fork fork, const Manifest* sent,
                   const std::optional<Manifest>& manifest, const CoreKey& key, const Limits& limits = {});

}  // namespace sheaf
