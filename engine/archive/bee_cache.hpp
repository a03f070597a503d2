// The blocks of a node's trees that were decoded last, so that the upper levels of a tree are read once, and
// a tree that is small or much used is read from memory.
//
// One for a node; from any thread. What it holds is bounded in bytes: two generations, of which the older
// goes when the younger has grown to half the bound.
#pragma once

#include <mutex>
#include <optional>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/core/core_work.hpp"
#include "protocol/bee_tree.hpp"

namespace sheaf {

class BeeCache {
 public:
  explicit BeeCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Stands for one tree; never given twice.
  struct Tree {
    std::uint64_t number{};
    friend bool operator==(const Tree&, const Tree&) = default;
  };
  Tree new_tree();

  // Blocks of another fork are other blocks.
  SharedBeeBlock find(Tree tree, Fork fork, BlockIndex index);
  void add(Tree tree, Fork fork, BlockIndex index, SharedBeeBlock block);
  std::size_t bytes() const;

 private:
  struct Place {
    Tree tree;
    Fork fork;
    BlockIndex index;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const;
  };
  // Flat: a look-up of a key passes some twenty blocks, and each step along a chain would miss the caches.
  using Generation = boost::unordered_flat_map<Place, SharedBeeBlock, PlaceHash>;

  void keep(const Place& place, SharedBeeBlock block);  // Requires: mutex_ is held.

  const std::size_t most_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::uint64_t trees_ = 0;
  Generation young_;
  Generation old_;
  std::size_t young_bytes_ = 0;
  std::size_t old_bytes_ = 0;
};

// A core's blocks as its tree's, for the time of one job (OpenCore::run). What is not here is noted.
class CoreBlocks final : public BeeBlocks {
 public:
  CoreBlocks(const CoreView& view, BeeCache& cache, BeeCache::Tree tree)
      : view_(view), cache_(cache), tree_(tree) {}
  Result<SharedBeeBlock> block(BlockIndex index) override;
  // The last block that was wanted and is not here.
  std::optional<BlockIndex> missing() const { return missing_; }

 private:
  const CoreView& view_;
  BeeCache& cache_;
  const BeeCache::Tree tree_;
  std::optional<BlockIndex> missing_;
};

// Only what was decoded already; anything else is not_available.
class DecodedBlocks final : public BeeBlocks {
 public:
  DecodedBlocks(BeeCache& cache, BeeCache::Tree tree, Fork fork) : cache_(cache), tree_(tree), fork_(fork) {}
  Result<SharedBeeBlock> block(BlockIndex index) override;

 private:
  BeeCache& cache_;
  const BeeCache::Tree tree_;
  const Fork fork_;
};

}  // namespace sheaf
