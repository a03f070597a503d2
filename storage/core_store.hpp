// One core on disk: manifest, head, tree nodes and the set of held blocks as state; blocks as values.
//
// A core may lie in two backends, one for the state and one for the blocks; when they are the same object a
// commit is one atomic write. Otherwise the blocks are stored first, then the state that names them in one
// atomic write; a block that no state names is not held, and is overwritten or removed later. A held block
// whose value is missing (power was lost, and only the state had reached the disk) reads as not_found: ask
// for it again.
//
// Threads: reads from any thread, also while a commit runs; commits one at a time. After a commit that failed
// the backend is poisoned: reopen it, then open() again and look. The store is told what was verified and
// checks nothing but its own bytes: damaged, where they do not decode.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "protocol/merkle.hpp"
#include "protocol/tree_head.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

class HeldSet;

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

// A page of the held set as Bitfield::load_page takes it: bit n is byte n / 8, mask 1 << (n % 8); zeros at
// the end are left out.
struct BitfieldPage {
  static constexpr std::uint64_t bits = 32768;
  std::uint64_t page{};
  Buffer bytes;
};

class CoreStore final : public NodeReader {
 public:
  // What there is of a core.
  struct Contents {
    std::optional<Buffer> manifest;
    std::optional<TreeHead> head;  // none: nothing signed was stored yet
    Length held;                   // how many blocks are here
  };

  // The backends are open and outlive the store.
  CoreStore(Backend& state, Backend& blocks, CoreId core);

  // Finishes the deletions of a commit that was cut off, and reads the contents. Comes before all else.
  Result<Contents> open();
  // Three reads and no more: for whoever lists cores without opening them.
  static Result<Contents> contents(Backend& state, CoreId core);

  // A stored node of the head's tree; nothing where it is not here.
  Result<std::optional<TreeNode>> node(TreeIndex index) override;
  // Appends a held block to `out`; not_found when it is not here. Which blocks are held is the caller's to
  // know: a value that no state names may be given or not. Checked::no is for those who hold the block
  // against the tree, as every peer does.
  Result<void> block(BlockIndex index, Buffer& out, Checked checked = Checked::yes);
  // Compares a block with its leaf; damaged where they differ, not_found where either is missing.
  Result<void> check(BlockIndex index);
  // Every page that has a bit set, in order.
  Result<std::vector<BitfieldPage>> bitfield();

  // Keeps, synced, that the core's writer signed two histories; both as peers are shown them. Stays until the
  // core is forgotten. Requires: trees is not empty.
  Result<void> keep_conflict(const std::vector<Buffer>& trees);
  // What keep_conflict() was given last; nothing where it never was.
  Result<std::optional<std::vector<Buffer>>> conflict();

  // Makes the change whole or not at all; two exceptions keep a large one bounded. New nodes and blocks of a
  // change without deletions may be there without the head that makes them part of the core. And old blocks
  // and nodes past a truncation, or cleared, are deleted after the rest was done: when that is cut off, the
  // next open() or commit() finishes it.
  Result<void> commit(const CoreChange& change, Durable durable);

 private:
  bool one_backend() const { return &state_ == &blocks_; }
  Traits state_traits() const { return {.role = Traits::Role::state, .core = core_, .size = 0}; }
  Traits block_traits() const { return {.role = Traits::Role::block, .core = core_, .size = 0}; }

  bool fits_one_write(const CoreChange& change) const;
  static Result<void> make_room(Backend& backend, Batch& batch, const HeldSet& held, std::size_t bytes);
  Result<void> add_deletions(const CoreChange& change, std::span<const BlockRange> drops, HeldSet& held,
                             Batch& batch, bool& sweeps);
  Result<void> add_blocks(const CoreChange& change, HeldSet& held, Batch& batch, Durable durable);
  Result<void> finish_sweep();

  Backend& state_;
  Backend& blocks_;
  const CoreId core_;
  std::atomic<std::uint64_t> length_{0};
  Length held_;              // of commits alone
  bool sweep_left_ = false;  // of commits alone: deletions wait to be finished
};

}  // namespace sheaf
