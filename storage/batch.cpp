#include "sheaf/storage/batch.hpp"

#include <stdexcept>

namespace sheaf {

void Batch::put(Bytes key, Bytes value, const Traits& traits) { add(Kind::put, key, value, false, traits); }

void Batch::put_copy(Bytes key, Bytes value, const Traits& traits) {
  add(Kind::put, key, value, true, traits);
}

void Batch::del(Bytes key, const Traits& traits) { add(Kind::del, key, {}, true, traits); }

void Batch::add(Kind kind, Bytes key, Bytes value, bool copy, const Traits& traits) {
  if (key.empty()) throw std::invalid_argument("a stored key has at least one byte");
  entries_.push_back({.lent = copy ? nullptr : value.data(),
                      .value_size = value.size(),
                      .key_at = arena_.size(),
                      .key_size = static_cast<std::uint32_t>(key.size()),
                      .core = traits.core.value_or(CoreId{}),
                      .kind = kind,
                      .role = traits.role,
                      .has_core = traits.core.has_value(),
                      .fresh = traits.fresh});
  append(arena_, key);
  if (copy) append(arena_, value);
  bytes_ += key.size() + value.size();
}

Batch::Operation Batch::operator[](std::size_t at) const {
  const Entry& entry = entries_[at];
  const std::byte* key = arena_.data() + entry.key_at;
  Traits traits{.role = entry.role, .core = std::nullopt, .size = entry.value_size, .fresh = entry.fresh};
  if (entry.has_core) traits.core = entry.core;
  return {.kind = entry.kind,
          .key = Bytes(key, entry.key_size),
          .value = Bytes(entry.lent ? entry.lent : key + entry.key_size, entry.value_size),
          .traits = traits};
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
