#include "protocol/bee_tree.hpp"

#include <algorithm>

#include "protocol/limits.hpp"

namespace sheaf {
namespace {

Result<std::optional<BeeEntry>> no_entry() { return std::optional<BeeEntry>(); }

// Less than zero, zero, more than zero: the order of keys.
int order(Bytes a, Bytes b) { return as_text(a).compare(as_text(b)); }

Result<BeeLevel> load(BeeBlocks& blocks, const BeeChild& at) {
  auto block = blocks.block(at.block);
  if (!block) return block.error();
  return (*block)->level(at.offset, at.block);
}

}  // namespace

std::optional<BeeChild> bee_root(Length version) {
  if (version.value < 2) return std::nullopt;
  return BeeChild{{version.value - 1}, 0};
}

Result<std::optional<BeeEntry>> bee_get(BeeBlocks& blocks, Length version, Bytes key) {
  auto at = bee_root(version);
  for (std::size_t depth = 0; at; ++depth) {
    if (depth > limits::bee_depth) return ProtocolErrc::malformed;
    auto level = load(blocks, *at);
    if (!level) return level.error();
    std::size_t begin = 0;
    std::size_t end = level->keys.size();
    while (begin < end) {
      const std::size_t middle = (begin + end) / 2;
      auto block = blocks.block(level->keys[middle]);
      if (!block) return block.error();
      const int compared = order(key, (*block)->key());
      if (compared == 0) return std::optional(BeeEntry{level->keys[middle], std::move(*block)});
      if (compared < 0)
        end = middle;
      else
        begin = middle + 1;
    }
    if (level->children.empty()) return no_entry();
    at = level->children[begin];
  }
  return no_entry();
}

bool BeeRange::below_lower(Bytes key) const {
  if (gt) return order(key, *gt) <= 0;
  return gte && order(key, *gte) < 0;
}

bool BeeRange::above_upper(Bytes key) const {
  if (lt) return order(key, *lt) >= 0;
  return lte && order(key, *lte) > 0;
}

BeeWalk::BeeWalk(Length version, BeeRange range, bool reverse)
    : range_(std::move(range)), reverse_(reverse), keys_left_(version.value) {
  if (const auto root = bee_root(version)) {
    Item item;
    item.subtree = *root;
    item.check_lower = range_.gt || range_.gte;
    item.check_upper = range_.lt || range_.lte;
    stack_.push_back(item);
  }
}

BeeWalk::Place BeeWalk::place() const {
  if (stack_.empty()) return {};
  const Item& top = stack_.back();
  if (top.is_key) return {std::nullopt, top.key};
  return {top.subtree, std::nullopt};
}

void BeeWalk::skip() {
  if (stack_.back().is_key && keys_left_ > 0) --keys_left_;
  stack_.pop_back();
}

Result<void> BeeWalk::enter(BeeBlocks& blocks) {
  const Item self = stack_.back();
  if (self.depth > limits::bee_depth || keys_left_ == 0) return ProtocolErrc::malformed;
  auto level = load(blocks, self.subtree);
  if (!level) return level.error();

  // The keys [begin, end) lie in the range, and so do parts of the children [begin, end].
  std::size_t begin = 0;
  std::size_t end = level->keys.size();
  if (self.check_lower) {
    for (std::size_t high = end; begin < high;) {
      const std::size_t middle = (begin + high) / 2;
      auto block = blocks.block(level->keys[middle]);
      if (!block) return block.error();
      if (range_.below_lower((*block)->key()))
        begin = middle + 1;
      else
        high = middle;
    }
  }
  if (self.check_upper) {
    for (std::size_t low = begin; low < end;) {
      const std::size_t middle = (low + end) / 2;
      auto block = blocks.block(level->keys[middle]);
      if (!block) return block.error();
      if (range_.above_upper((*block)->key()))
        end = middle;
      else
        low = middle + 1;
    }
  }

  std::vector<Item> inside;
  for (std::size_t i = begin; i <= end; ++i) {
    if (!level->children.empty()) {
      Item child;
      child.subtree = level->children[i];
      child.depth = self.depth + 1;
      child.check_lower = self.check_lower && i == begin;
      child.check_upper = self.check_upper && i == end;
      inside.push_back(child);
    }
    if (i < end) {
      Item key;
      key.is_key = true;
      key.key = level->keys[i];
      inside.push_back(key);
    }
  }
  stack_.pop_back();
  if (!reverse_) std::ranges::reverse(inside);
  stack_.insert(stack_.end(), inside.begin(), inside.end());
  return {};
}

Result<BeeEntry> BeeWalk::peek(BeeBlocks& blocks) {
  const BlockIndex seq = stack_.back().key;
  auto block = blocks.block(seq);
  if (!block) return block.error();
  const Bytes key = (*block)->key();
  if (last_) {
    const int compared = order(key, *last_);
    if (reverse_ ? compared >= 0 : compared <= 0) return ProtocolErrc::malformed;
  }
  return BeeEntry{seq, std::move(*block)};
}

void BeeWalk::passed(Bytes key) {
  last_ = to_buffer(key);
  skip();
}

Result<std::optional<BeeEntry>> BeeWalk::next(BeeBlocks& blocks) {
  for (;;) {
    const Place here = place();
    if (here.ended()) return no_entry();
    if (here.subtree) {
      if (auto entered = enter(blocks); !entered) return entered.error();
      continue;
    }
    auto entry = peek(blocks);
    if (!entry) return entry.error();
    passed(entry->key());
    return std::optional(std::move(*entry));
  }
}

BeeDiff::BeeDiff(Length left, Length right, BeeRange range, bool reverse)
    : left_(left, range, reverse), right_(right, std::move(range), reverse), reverse_(reverse) {}

Result<std::optional<BeeDifference>> BeeDiff::next(BeeBlocks& blocks) {
  for (;;) {
    const BeeWalk::Place left = left_.place();
    const BeeWalk::Place right = right_.place();
    if (left.ended() && right.ended()) return std::optional<BeeDifference>();
    if (left.subtree && right.subtree && *left.subtree == *right.subtree) {
      left_.skip();
      right_.skip();
      continue;
    }
    // What is newer cannot lie inside what is older, so the newer one is entered first.
    if (left.subtree &&
        (!right.subtree || left.subtree->block > right.subtree->block ||
         (left.subtree->block == right.subtree->block && left.subtree->offset < right.subtree->offset))) {
      if (auto entered = left_.enter(blocks); !entered) return entered.error();
      continue;
    }
    if (right.subtree) {
      if (auto entered = right_.enter(blocks); !entered) return entered.error();
      continue;
    }
    if (left.key && right.key && *left.key == *right.key) {
      // The order of keys is checked where blocks are loaded; here the same block is passed on both sides.
      left_.skip();
      right_.skip();
      continue;
    }
    std::optional<BeeEntry> on_left;
    std::optional<BeeEntry> on_right;
    if (left.key) {
      auto entry = left_.peek(blocks);
      if (!entry) return entry.error();
      on_left = std::move(*entry);
    }
    if (right.key) {
      auto entry = right_.peek(blocks);
      if (!entry) return entry.error();
      on_right = std::move(*entry);
    }
    int compared = 0;
    if (on_left && on_right) {
      compared = order(on_left->key(), on_right->key());
      if (reverse_) compared = -compared;
    } else {
      compared = on_left ? -1 : 1;
    }
    BeeDifference out;
    if (compared <= 0) {
      out.left = std::move(on_left);
      left_.passed(out.left->key());
    }
    if (compared >= 0) {
      out.right = std::move(on_right);
      right_.passed(out.right->key());
    }
    return std::optional(std::move(out));
  }
}

}  // namespace sheaf
