// Changing a Hyperbee: puts and deletions on the tree of one version, written as the blocks of one append.
//
// Pure, as bee_tree.hpp. The blocks equal those of hyperbee 2.27 byte for byte, of single operations and of
// batches (vectors drive/bee-*.json). A call that fails because a block is not here, or because the tree is
// malformed, leaves the batch unusable: begin a new one.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "protocol/bee_tree.hpp"

namespace sheaf {

class BeeBatch {
 public:
  // On top of a core of this length, which has its header: at least 1.
  BeeBatch(BeeBlocks& blocks, Length length);
  BeeBatch(const BeeBatch&) = delete;
  BeeBatch& operator=(const BeeBatch&) = delete;

  // No value: a put of null.
  Result<void> put(Bytes key, std::optional<Bytes> value);
  // False where the key is not there; nothing is appended then.
  Result<bool> del(Bytes key);
  // As it would be after the batch.
  Result<std::optional<BeeEntry>> get(Bytes key);

  std::size_t operations() const { return operations_.size(); }
  // The blocks, to be appended together, and the end of this batch.
  std::vector<Buffer> finish();

 private:
  struct Node;
  // What a node's parent keeps of it. Its place is where it was written last; one that moves from parent to
  // parent stays the same object, since batches remember which pointers a block had written.
  struct Pointer {
    BeeChild place;
    Node* node = nullptr;  // once it is loaded
  };
  struct Node {
    std::vector<BlockIndex> keys;
    std::vector<Pointer*> children;
    bool changed = false;
  };
  struct Operation {
    Buffer key;
    std::optional<Buffer> value;
    std::vector<Pointer*> written;  // the nodes this operation changed, in pre-order; the root first
  };
  // The tree's own blocks and those of this batch.
  class Source final : public BeeBlocks {
   public:
    explicit Source(BeeBatch& batch) : batch_(batch) {}
    Result<SharedBeeBlock> block(BlockIndex index) override;

   private:
    BeeBatch& batch_;
  };

  BlockIndex next_seq() const { return {length_.value + operations_.size()}; }
  Pointer* pointer_to(Node* node);
  Result<Node*> root();
  Result<Node*> child(Node& parent, std::size_t index);
  // Where the key is or belongs in one node.
  struct Found {
    std::size_t index;
    bool here;
  };
  Result<Found> search(const Node& node, Bytes key);
  Result<void> take_from_leaf(Node& node, std::size_t index, std::vector<Node*>& path);
  Result<Node*> rebalance(std::vector<Node*> path);
  void split(std::vector<Node*>& path, Node* node);
  void record(Node* root, Bytes key, std::optional<Bytes> value);
  std::size_t collect(Node& node, BlockIndex seq, std::vector<Pointer*>& out);
  static BeeLevel level_of(const Node& node);

  BeeBlocks& blocks_;
  const Length length_;
  Source source_{*this};
  std::deque<Node> nodes_;
  std::deque<Pointer> pointers_;
  Node* root_ = nullptr;
  std::vector<Operation> operations_;
  std::map<std::uint64_t, SharedBeeBlock> pending_;  // this batch's keys and values by block
};

}  // namespace sheaf
