#include "storage/record_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "sheaf/protocol/invariant.hpp"
#include "storage/xxh3.hpp"

namespace sheaf {
namespace {

// Keys whose place is taken stand in a row behind it, which is no longer than this, whoever chooses the keys.
constexpr std::size_t row_most = 32;
constexpr std::size_t least_slots = 1024;

// A record in the arena: key size u16, value size u16, key, value.
struct Sizes {
  std::uint16_t key;
  std::uint16_t value;
};

std::uint32_t hash_of(Bytes key) { return static_cast<std::uint32_t>(xxh3_64(key)); }

}  // namespace

// -- A generation.

bool RecordCache::Generation::holds(const Slot& slot, std::uint32_t hash, Bytes key) const {
  if (slot.hash != hash || slot.place == 0 || slot.place == erased) return false;
  const std::byte* const record = arena_.data() + slot.place - 1;
  Sizes sizes;
  std::memcpy(&sizes, record, sizeof sizes);
  return equal({record + sizeof sizes, sizes.key}, key);
}

const RecordCache::Generation::Slot* RecordCache::Generation::slot_of(std::uint32_t hash, Bytes key) const {
  for (std::size_t step = 0; !slots_.empty() && step < row_most; ++step) {
    const Slot& slot = slots_[(hash + step) & (slots_.size() - 1)];
    if (slot.place == 0) break;
    if (holds(slot, hash, key)) return &slot;
  }
  return nullptr;
}

std::optional<Bytes> RecordCache::Generation::find(std::uint32_t hash, Bytes key) const {
  const Slot* const slot = slot_of(hash, key);
  if (!slot) return std::nullopt;
  const std::byte* const record = arena_.data() + slot->place - 1;
  Sizes sizes;
  std::memcpy(&sizes, record, sizeof sizes);
  return Bytes(record + sizeof sizes + sizes.key, sizes.value);
}

void RecordCache::Generation::prefetch(std::uint32_t hash) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
}

void RecordCache::Generation::erase(std::uint32_t hash, Bytes key) {
  if (const Slot* const slot = slot_of(hash, key))
    slots_[static_cast<std::size_t>(slot - slots_.data())].place = erased;
}

// Of a row that is full the last one gives way.
RecordCache::Generation::Slot& RecordCache::Generation::free_slot(std::uint32_t hash) {
  std::size_t step = 0;
  while (step + 1 < row_most) {
    const std::uint32_t place = slots_[(hash + step) & (slots_.size() - 1)].place;
    if (place == 0 || place == erased) break;
    ++step;
  }
  Slot& slot = slots_[(hash + step) & (slots_.size() - 1)];
  if (slot.place == 0) ++used_;
  return slot;
}

bool RecordCache::Generation::is_full(std::size_t record_bytes, std::size_t most) const {
  const std::size_t slots =
      2 * used_ >= slots_.size() ? std::max(least_slots, 2 * slots_.size()) : slots_.size();
  return arena_.size() + record_bytes > arena_most(most) || slots * sizeof(Slot) > most / 4;
}

void RecordCache::Generation::put(std::uint32_t hash, Bytes key, Bytes value, std::size_t most) {
  erase(hash, key);
  if (2 * used_ >= slots_.size()) grow();
  arena_.reserve(arena_most(most));  // addresses alone: memory comes as it is written
  const Sizes sizes{static_cast<std::uint16_t>(key.size()), static_cast<std::uint16_t>(value.size())};
  free_slot(hash) = {.hash = hash, .place = static_cast<std::uint32_t>(arena_.size() + 1)};
  append(arena_, std::as_bytes(std::span(&sizes, 1)));
  append(arena_, key);
  append(arena_, value);
}

void RecordCache::Generation::grow() {
  const std::vector<Slot> before =
      std::exchange(slots_, std::vector<Slot>(std::max(least_slots, 2 * slots_.size())));
  used_ = 0;
  for (const Slot& slot : before)
    if (slot.place != 0 && slot.place != erased) free_slot(slot.hash) = slot;
}

void RecordCache::Generation::clear() {
  slots_ = {};
  arena_ = {};
  used_ = 0;
}

// -- The cache.

bool RecordCache::keep(std::uint32_t hash, Bytes key, Bytes value) {
  const std::size_t most = options_.bytes / 2, bytes = sizeof(Sizes) + key.size() + value.size();
  const bool turned = young_.is_full(bytes, most);
  if (turned) {
    old_ = std::exchange(young_, Generation());
    old_.erase(hash, key);
  }
  if (!young_.is_full(bytes, most)) young_.put(hash, key, value, most);  // else it is too small for anything
  return !turned;
}

bool RecordCache::find(Bytes key, Buffer& out) {
  if (!covers(key)) return false;
  const std::uint32_t hash = hash_of(key);
  const std::lock_guard lock(guard_);
  if (const auto value = young_.find(hash, key)) {
    append(out, *value);
    return true;
  }
  const auto value = old_.find(hash, key);
  if (!value) return false;
  append(out, *value);
  const Bytes found = Bytes(out).last(value->size());
  old_.erase(hash, key);
  keep(hash, key, found);
  return true;
}

std::uint64_t RecordCache::begin_read() const {
  if (options_.bytes == 0) return 0;
  const std::lock_guard lock(guard_);
  return writes_;
}

void RecordCache::end_read(std::uint64_t begun, Bytes key, Bytes value) {
  if (!covers(key) || !takes(value)) return;
  const std::uint32_t hash = hash_of(key);
  const std::lock_guard lock(guard_);
  if (begun != writes_ || writes_ % 2 == 1) return;
  old_.erase(hash, key);  // another reader may have been first
  keep(hash, key, value);
}

// A look-up waits for memory more than for anything else, so the places of some keys are asked for at once.
void RecordCache::begin_write(const Batch& batch) {
  if (options_.bytes == 0) return;
  const std::lock_guard lock(guard_);
  ++writes_;
  struct Asked {
    Bytes key;
    std::uint32_t hash;
  };
  std::array<Asked, 16> asked;
  for (std::size_t at = 0; at < batch.size();) {
    std::size_t count = 0;
    for (; at < batch.size() && count < asked.size(); ++at) {
      const Bytes key = batch[at].key;
      if (!covers(key)) continue;
      asked[count] = {.key = key, .hash = hash_of(key)};
      young_.prefetch(asked[count].hash);
      old_.prefetch(asked[count].hash);
      ++count;
    }
    for (const Asked& one : std::span(asked).first(count)) {
      young_.erase(one.hash, one.key);
      old_.erase(one.hash, one.key);
    }
  }
}

void RecordCache::end_write(const Batch& batch, bool written) {
  if (options_.bytes == 0) return;
  const std::lock_guard lock(guard_);
  invariant(writes_ % 2 == 1, "a write ends that began");
  ++writes_;
  if (!written) {
    young_.clear();
    old_.clear();
    return;
  }
  // Of the batch's keys nothing is here but what this has put here, for a batch that has a key twice.
  bool some = false, turned = false;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    if (!covers(operation.key)) continue;
    const bool kept = operation.kind == Batch::Kind::put && takes(operation.value);
    if (!kept && !some) continue;
    const std::uint32_t hash = hash_of(operation.key);
    if (turned) old_.erase(hash, operation.key);
    if (!kept) {
      young_.erase(hash, operation.key);
      continue;
    }
    some = true;
    turned = !keep(hash, operation.key, operation.value) || turned;
  }
}

void RecordCache::clear() {
  const std::lock_guard lock(guard_);
  ++writes_;
  ++writes_;
  young_.clear();
  old_.clear();
}

std::size_t RecordCache::bytes() const {
  const std::lock_guard lock(guard_);
  return young_.bytes() + old_.bytes();
}

}  // namespace sheaf
