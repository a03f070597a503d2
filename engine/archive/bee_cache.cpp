#include "engine/archive/bee_cache.hpp"

namespace sheaf {
namespace {

// What a map and a shared object cost besides the block's bytes.
constexpr std::size_t entry_cost = 160;

}  // namespace

void BeeCache::follow(Fork fork) {
  if (fork == fork_) return;
  young_.clear();
  old_.clear();
  young_bytes_ = old_bytes_ = 0;
  fork_ = fork;
}

SharedBeeBlock BeeCache::find(BlockIndex index) {
  if (const auto found = young_.find(index.value); found != young_.end()) return found->second;
  const auto found = old_.find(index.value);
  if (found == old_.end()) return nullptr;
  SharedBeeBlock block = found->second;
  add(index, block);
  return block;
}

void BeeCache::add(BlockIndex index, SharedBeeBlock block) {
  const std::size_t cost = block->size() + entry_cost;
  if (cost > most_bytes_ / 4) return;  // one such block would drive out all others
  if (young_bytes_ + cost > most_bytes_ / 2) {
    old_ = std::move(young_);
    old_bytes_ = young_bytes_;
    young_.clear();
    young_bytes_ = 0;
  }
  if (young_.insert_or_assign(index.value, std::move(block)).second) young_bytes_ += cost;
}

Result<SharedBeeBlock> CoreBlocks::block(BlockIndex index) {
  if (SharedBeeBlock known = cache_.find(index)) return known;
  auto bytes = view_.block(index);
  if (!bytes) {
    if (bytes.error() == EngineErrc::not_available) missing_ = index;
    return bytes.error();
  }
  auto decoded = BeeBlock::decode(std::move(*bytes));
  if (!decoded) return decoded.error();
  auto block = std::make_shared<const BeeBlock>(std::move(*decoded));
  cache_.add(index, block);
  return block;
}

}  // namespace sheaf
