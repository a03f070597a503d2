// The blocks of one db core that were decoded last, so that the upper levels of its tree are read once.
//
// Used by one job of the core at a time (OpenCore::run). What it holds is bounded in bytes: two generations,
// of which the older goes when the younger has grown to half the bound.
#pragma once

#include <optional>
#include <unordered_map>

#include "engine/core/core_work.hpp"
#include "protocol/bee_tree.hpp"

namespace sheaf {

class BeeCache {
 public:
  explicit BeeCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Blocks of another fork are other blocks.
  void follow(Fork fork);
  SharedBeeBlock find(BlockIndex index);
  void add(BlockIndex index, SharedBeeBlock block);
  std::size_t bytes() const { return young_bytes_ + old_bytes_; }

 private:
  using Generation = std::unordered_map<std::uint64_t, SharedBeeBlock>;
  std::size_t most_bytes_;
  Fork fork_;
  Generation young_;
  Generation old_;
  std::size_t young_bytes_ = 0;
  std::size_t old_bytes_ = 0;
};

// A core's blocks as its tree's, for the time of one job. What is not here is noted.
class CoreBlocks final : public BeeBlocks {
 public:
  CoreBlocks(const CoreView& view, BeeCache& cache) : view_(view), cache_(cache) {
    cache.follow(view.fork());
  }
  Result<SharedBeeBlock> block(BlockIndex index) override;
  // The last block that was wanted and is not here.
  std::optional<BlockIndex> missing() const { return missing_; }

 private:
  const CoreView& view_;
  BeeCache& cache_;
  std::optional<BlockIndex> missing_;
};

}  // namespace sheaf
