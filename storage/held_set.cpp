#include "storage/held_set.hpp"

#include <algorithm>

#include "storage/key_schema.hpp"

namespace sheaf {
namespace {

std::byte mask(std::uint64_t bit) { return std::byte{1} << (bit % 8); }

}  // namespace

Result<HeldSet::Page*> HeldSet::page(std::uint64_t number) {
  if (last_ && last_number_ == number) return last_;
  const auto [at, fresh] = pages_.try_emplace(number);
  if (fresh) {
    Buffer stored;
    if (auto got = state_.get(keys::page(core_, number), stored); !got) {
      if (got.error() != StorageErrc::not_found) return got.error();
    }
    if (stored.size() > page_bytes) return StorageErrc::damaged;
    std::copy(stored.begin(), stored.end(), at->second.bits.begin());
  }
  last_ = &at->second;
  last_number_ = number;
  return last_;
}

Result<void> HeldSet::hold(BlockIndex index) {
  auto found = page(index.value / page_bits);
  if (!found) return found.error();
  Page& page = **found;
  const std::uint64_t bit = index.value % page_bits;
  std::byte& byte = page.bits[bit / 8];
  if ((byte & mask(bit)) != std::byte{}) return {};
  byte |= mask(bit);
  page.changed = changed_ = true;
  ++count_.value;
  return {};
}

void HeldSet::drop_from(Page& page, std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t bit = first; bit < end; ++bit) {
    std::byte& byte = page.bits[bit / 8];
    if ((byte & mask(bit)) == std::byte{}) continue;
    byte &= ~mask(bit);
    page.changed = changed_ = true;
    --count_.value;
  }
}

Result<void> HeldSet::drop(BlockRange range) {
  if (range.empty()) return {};
  const std::uint64_t first = range.begin.value / page_bits;
  const std::uint64_t last = (range.end.value - 1) / page_bits;
  // Only pages that exist: a range may end far past every block.
  const keys::Key from = keys::page(core_, first);
  const keys::Key to = keys::page(core_, last);
  auto cursor = state_.iterate({.gte = from, .lte = to, .keys_only = true});
  if (!cursor) return cursor.error();
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) return {};
    const std::uint64_t number = keys::last_u64((*cursor)->key());
    auto found = page(number);
    if (!found) return found.error();
    const std::uint64_t start = number * page_bits;
    drop_from(**found, std::max(range.begin.value, start) - start,
              std::min(range.end.value, start + page_bits) - start);
  }
}

void HeldSet::write_to(Batch& batch) const {
  const Traits traits{.role = Traits::Role::state, .core = core_, .size = 0};
  for (const auto& [number, page] : pages_) {
    if (!page.changed) continue;
    const auto end = std::find_if(page.bits.rbegin(), page.bits.rend(),
                                  [](std::byte byte) { return byte != std::byte{}; });
    const Bytes used = Bytes(page.bits).first(static_cast<std::size_t>(page.bits.rend() - end));
    if (used.empty())
      batch.del(keys::page(core_, number), traits);
    else
      batch.put_copy(keys::page(core_, number), used, traits);
  }
  if (!changed_) return;
  std::array<std::byte, 8> count;
  for (std::size_t i = 0; i < 8; ++i) count[i] = static_cast<std::byte>(count_.value >> (8 * i));
  batch.put_copy(keys::held(core_), count, traits);
}

}  // namespace sheaf
