// Holds proofs against what is known of a core; nothing is learned from one that does not hold whole.
//
// Format: docs/wire.md, Log. A Verifier works on a snapshot: head, manifest, and a reader of verified nodes
// of exactly that head. It lives for one batch: each proof that holds counts for those after it, and
// take() gives what the batch taught. It runs on any one thread; it touches nothing but the reader.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "protocol/manifest.hpp"
#include "protocol/node_overlay.hpp"
#include "protocol/proof.hpp"

namespace sheaf {

struct Verified {
  std::vector<TreeNode> nodes;       // newly learned, to be stored
  std::optional<TreeHead> head;      // set when the core grew: to replace the old one, signature included
  std::optional<Manifest> manifest;  // set when it was not known before
};

// A proof as it came, with the manifest that came with it.
struct Incoming {
  const Proof* proof;
  const Manifest* manifest = nullptr;  // null: none
};

class Verifier {
 public:
  // The reader outlives the Verifier.
  Verifier(const CoreKey& key, TreeHead head, std::optional<Manifest> manifest, NodeReader& nodes,
           const Limits& limits = {});

  // Fails with malformed_proof (bounds), malformed (sums past the wire's integers), invalid_proof,
  // invalid_signature or invalid_manifest, which are the
  // sender's; with missing_node when the proof leads to a node that is not here; or with the store's error.
  // After a failure the Verifier is as it was before. An upgrade that brings no more than the head has is not
  // looked at: block, hash and seek then have to lead to known nodes.
  Result<void> check(const Proof& proof, const Manifest* manifest = nullptr);

  // The same for many, in order; leaf hashes are computed side by side. Requires: results.size() ==
  // proofs.size().
  void check_all(std::span<const Incoming> proofs, std::span<Result<void>> results);

  const TreeHead& head() const { return head_; }
  const std::optional<Manifest>& manifest() const { return manifest_; }

  // What all that held has taught. The Verifier is done then.
  Verified take();

 private:
  Result<void> check_bounds(const Proof& proof) const;
  Result<void> check_with_leaf(const Proof& proof, const Manifest* manifest, const Hash* leaf);
  Result<void> check_subtree(const TreeNode& root);
  Result<std::optional<TreeNode>> known(TreeIndex index);

  CoreKey key_;
  TreeHead head_;
  std::optional<Manifest> manifest_;
  NodeOverlay nodes_;
  Limits limits_;
  std::vector<TreeNode> scratch_;
  bool grew_ = false;
  bool learned_manifest_ = false;
};

// One proof by itself.
Result<Verified> verify(const Proof& proof, const Manifest* sent, const TreeHead& head,
                        const std::optional<Manifest>& manifest, const CoreKey& key, NodeReader& nodes,
                        const Limits& limits = {});

}  // namespace sheaf
