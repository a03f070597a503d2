// One core on disk: manifest, head, tree nodes and the set of held blocks as state; blocks as values.
//
// A core may lie in two backends, one for the state and one for the blocks; when they are the same object a
// commit is one atomic write. Otherwise the blocks are stored first, then the state that names them in one
// atomic write; a block that no state names is not held, and is overwritten or removed later. A held block
// whose value is missing (power was lost, and only the state had reached the disk) reads as not_found: ask
// for it again.
//
// Threads: reads from any thread, also while a commit runs; commits one at a time. The store is told what
// was verified and checks nothing but its own bytes: damaged, where they do not decode.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "protocol/tree_head.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

struct BlockBytes {
  BlockIndex index;
  Bytes bytes;
};

// What changes together. Views have to stay until commit() returns. Deletions are done before the rest, so a
// reorganisation truncates to the common length and brings the new fork's nodes in one change.
struct CoreChange {
  std::optional<Length> truncate;     // drops every block and tree node past this length
  std::span<const BlockRange> clear;  // drops these blocks; their nodes stay
  std::optional<Bytes> manifest;
  std::span<const TreeNode> nodes;     // verified, and part of the tree of the head this change leaves
  std::span<const BlockBytes> blocks;  // stored, and held from now on
  const TreeHead* head = nullptr;
};

// 4,096 blocks of the held set; bit n is byte n / 8, bit n % 8. Zeros at the end may be cut off.
struct BitfieldPage {
  static constexpr std::uint64_t bits = 4096;
  std::uint64_t page{};
  Buffer bytes;
};

class CoreStore {
 public:
  // What is there when a core is opened.
  struct Contents {
    std::optional<Buffer> manifest;
    std::optional<TreeHead> head;  // none: nothing signed was stored yet
    Length held;                   // how many blocks are here
  };

  // The backends are open and outlive the store. open() comes before everything else.
  CoreStore(Backend& state, Backend& blocks, CoreId core);

  // Reads the contents, and finishes the deletions of a commit that was cut off.
  Result<Contents> open();

  // NodeReader: a stored node of the head's tree; nothing where it is not here.
  Result<std::optional<TreeNode>> node(TreeIndex index);
  // Appends the block to `out`; not_found where it is not held.
  Result<void> block(BlockIndex index, Buffer& out);
  // Compares a block with its leaf; damaged where they differ, not_found where either is missing.
  Result<void> check(BlockIndex index);
  // Every page that has a bit set, in order.
  Result<std::vector<BitfieldPage>> bitfield();

  // On failure nothing of the change is visible, unless it was a large deletion that failed half way: then
  // the change is made, and the next open() or commit() ends it.
  Result<void> commit(const CoreChange& change, Durable sync);

 private:
  struct HeldSet;

  bool one_backend() const { return &state_ == &blocks_; }
  Traits state_traits() const { return {.role = Traits::Role::state, .core = core_, .size = 0}; }
  Traits block_traits() const { return {.role = Traits::Role::block, .core = core_, .size = 0}; }
  bool in_tree(TreeIndex index, std::uint64_t length) const;

  Backend& state_;
  Backend& blocks_;
  CoreId core_;
  std::atomic<std::uint64_t> length_{0};
};

}  // namespace sheaf
