// Reading a Hyperbee: look-up, ranges in either direction, and what differs between two versions.
//
// Pure: blocks come through BeeBlocks, which may answer that one is not here. Then the call fails with that
// error and has changed nothing, so it can be made again once the block has come. A tree made by a stranger
// is walked with care: references only go back (bee_codec.hpp), depth is bounded (limits::bee_depth), keys
// must come in order, and no walk passes more keys than the version has blocks. malformed otherwise.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "protocol/bee_codec.hpp"

namespace sheaf {

using SharedBeeBlock = std::shared_ptr<const BeeBlock>;

class BeeBlocks {
 public:
  virtual ~BeeBlocks() = default;
  // Requires: index is at least 1. The error is the source's own, or malformed.
  virtual Result<SharedBeeBlock> block(BlockIndex index) = 0;
};

// A key that is in the tree, with the block that holds it.
struct BeeEntry {
  BlockIndex seq;
  SharedBeeBlock block;
  Bytes key() const { return block->key(); }
  std::optional<Bytes> value() const { return block->value(); }
};

// Names the root of the tree of a version (the length of the core); nothing for an empty one.
std::optional<BeeChild> bee_root(Length version);

Result<std::optional<BeeEntry>> bee_get(BeeBlocks& blocks, Length version, Bytes key);

// Which keys. An absent bound is none; gt wins over gte, lt over lte.
struct BeeRange {
  std::optional<Buffer> gt{};
  std::optional<Buffer> gte{};
  std::optional<Buffer> lt{};
  std::optional<Buffer> lte{};
  bool below_lower(Bytes key) const;
  bool above_upper(Bytes key) const;
  bool contains(Bytes key) const { return !below_lower(key) && !above_upper(key); }
};

// Walks the tree of one version, one subtree at a time, so that two walks can be compared.
class BeeWalk {
 public:
  BeeWalk(Length version, BeeRange range, bool reverse);

  // Where the walk is: before a whole subtree, or before a key; at its end before nothing.
  struct Place {
    std::optional<BeeChild> subtree;
    std::optional<BlockIndex> key;
    bool ended() const { return !subtree && !key; }
  };
  Place place() const;
  // Enters the subtree. Requires: place().subtree.
  Result<void> enter(BeeBlocks& blocks);
  // Past the subtree or key as a whole. Requires: not at the end.
  void skip();
  // Loads the key, and leaves the walk before it. Requires: place().key.
  Result<BeeEntry> peek(BeeBlocks& blocks);
  // Past the key that peek() gave.
  void passed(Bytes key);

  // The next key, then nothing.
  Result<std::optional<BeeEntry>> next(BeeBlocks& blocks);

 private:
  struct Item {
    bool is_key = false;
    BlockIndex key;
    BeeChild subtree;
    std::size_t depth = 0;
    bool check_lower = true;  // keys in there may lie outside the range on that side
    bool check_upper = true;
  };

  BeeRange range_;
  bool reverse_;
  std::uint64_t keys_left_;     // that a tree of this version can have
  std::vector<Item> stack_;     // the next one on top
  std::optional<Buffer> last_;  // the key that was passed last
};

// A key whose block differs between two versions.
struct BeeDifference {
  std::optional<BeeEntry> left;
  std::optional<BeeEntry> right;
};

// In the order of keys. Subtrees that both versions share are not looked into.
class BeeDiff {
 public:
  BeeDiff(Length left, Length right, BeeRange range, bool reverse = false);
  // The next difference, then nothing.
  Result<std::optional<BeeDifference>> next(BeeBlocks& blocks);

 private:
  BeeWalk left_;
  BeeWalk right_;
  bool reverse_;
};

}  // namespace sheaf
