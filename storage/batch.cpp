#include "sheaf/storage/batch.hpp"

#include <stdexcept>

namespace sheaf {

void Batch::put(Bytes key, Bytes value, const Traits& traits) {
  begin(Kind::put, {&key, 1}, traits).lent = value.data();
  entries_.back().value_size = value.size();
  bytes_ += value.size();
}

void Batch::put_copy(Bytes key, Bytes value, const Traits& traits) {
  put_joined({&key, 1}, {&value, 1}, traits);
}

void Batch::put_joined(std::span<const Bytes> key, std::span<const Bytes> value, const Traits& traits) {
  Entry& entry = begin(Kind::put, key, traits);
  const std::size_t start = arena_.size();
  for (const Bytes part : value) append(arena_, part);
  entry.value_size = arena_.size() - start;
  bytes_ += entry.value_size;
}

void Batch::del(Bytes key, const Traits& traits) { begin(Kind::del, {&key, 1}, traits); }

// The key goes into the arena; the value is the caller's to add.
Batch::Entry& Batch::begin(Kind kind, std::span<const Bytes> key, const Traits& traits) {
  const std::size_t at = arena_.size();
  for (const Bytes part : key) append(arena_, part);
  const std::size_t size = arena_.size() - at;
  if (size == 0) throw std::invalid_argument("a stored key has at least one byte");
  bytes_ += size;
  return entries_.emplace_back(Entry{.lent = nullptr,
                                     .value_size = 0,
                                     .key_at = at,
                                     .key_size = static_cast<std::uint32_t>(size),
                                     .core = traits.core.value_or(CoreId{}),
                                     .kind = kind,
                                     .role = traits.role,
                                     .has_core = traits.core.has_value(),
                                     .fresh = traits.fresh});
}

void Batch::reserve(std::size_t operations, std::size_t copied_bytes) {
  entries_.reserve(operations);
  arena_.reserve(copied_bytes);
}

void Batch::clear() {
  entries_.clear();
  arena_.clear();
  bytes_ = 0;
}

}  // namespace sheaf
