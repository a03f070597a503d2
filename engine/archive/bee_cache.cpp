#include "engine/archive/bee_cache.hpp"

namespace sheaf {
namespace {

// What a map and a shared object cost besides the block's bytes: a slot of a table that is at its emptiest
// (92), the object with its counts (128), and what the allocator adds to two pieces.
constexpr std::size_t entry_cost = 256;

std::size_t cost_of(const BeeBlock& block) { return block.size() + entry_cost; }

}  // namespace

std::size_t BeeCache::PlaceHash::operator()(const Place& place) const {
  // Fibonacci hashing: neighbours in a tree are blocks that follow one another.
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
  return (((place.tree.number * golden) ^ place.fork.value) * golden) ^ (place.index.value * golden);
}

BeeCache::Tree BeeCache::new_tree() {
  const std::lock_guard lock(mutex_);
  return {++trees_};
}

std::size_t BeeCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return young_bytes_ + old_bytes_;
}

SharedBeeBlock BeeCache::find(Tree tree, Fork fork, BlockIndex index) {
  const Place place{tree, fork, index};
  const std::lock_guard lock(mutex_);
  if (const auto found = young_.find(place); found != young_.end()) return found->second;
  const auto found = old_.find(place);
  if (found == old_.end()) return nullptr;
  // It moves, and is counted where it is.
  SharedBeeBlock block = std::move(found->second);
  old_bytes_ -= cost_of(*block);
  old_.erase(found);
  keep(place, block);
  return block;
}

void BeeCache::add(Tree tree, Fork fork, BlockIndex index, SharedBeeBlock block) {
  const std::lock_guard lock(mutex_);
  keep({tree, fork, index}, std::move(block));
}

void BeeCache::keep(const Place& place, SharedBeeBlock block) {
  const std::size_t cost = cost_of(*block);
  if (cost > most_bytes_ / 4) return;  // one such block would drive out all others
  if (young_bytes_ + cost > most_bytes_ / 2) {
    old_ = std::move(young_);
    old_bytes_ = young_bytes_;
    young_.clear();
    young_bytes_ = 0;
  }
  if (young_.insert_or_assign(place, std::move(block)).second) young_bytes_ += cost;
}

Result<SharedBeeBlock> CoreBlocks::block(BlockIndex index) {
  if (SharedBeeBlock known = cache_.find(tree_, view_.fork(), index)) return known;
  auto bytes = view_.block(index);
  if (!bytes) {
    if (bytes.error() == EngineErrc::not_available) missing_ = index;
    return bytes.error();
  }
  auto decoded = BeeBlock::decode(std::move(*bytes));
  if (!decoded) return decoded.error();
  auto block = std::make_shared<const BeeBlock>(std::move(*decoded));
  cache_.add(tree_, view_.fork(), index, block);
  return block;
}

Result<SharedBeeBlock> DecodedBlocks::block(BlockIndex index) {
  if (SharedBeeBlock known = cache_.find(tree_, fork_, index)) return known;
  return EngineErrc::not_available;
}

}  // namespace sheaf
