// Changes that a store makes together or not at all.
//
// A Batch is a list of puts and deletes in order; a later one of a key wins. Keys are copied into the batch.
// Values are lent: put() keeps the view, so that a block goes from the buffer it was received in straight to
// the store, and the bytes have to stay until the batch is written or cleared; put_copy() keeps a copy. One
// thread uses a batch at a time; clear() keeps its memory for the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

// A core's number in one store: small, given once, never used again.
struct CoreId {
  std::uint32_t value{};
  auto operator<=>(const CoreId&) const = default;
};

// What a value is, for a store made of stores to choose where it belongs. Plain backends ignore all but
// `fresh`.
struct Traits {
  enum class Role : std::uint8_t {
    state,  // small and read often: heads, tree nodes, records
    block,  // the contents of a core; the tree vouches for it
    value   // an application's
  };
  Role role = Role::value;
  std::optional<CoreId> core{};
  std::uint64_t size = 0;  // bytes of the value; a batch and Backend::put fill it in
  // The key was drawn for this value: nothing was ever stored under it, and no store has to look.
  bool fresh = false;
};

class Batch {
 public:
  enum class Kind : std::uint8_t { put, del };

  // One operation, as a backend reads it; the views live until the batch changes.
  struct Operation {
    Kind kind;
    Bytes key;
    Bytes value;
    Traits traits;
  };

  // Requires: a key of at least one byte.
  void put(Bytes key, Bytes value, const Traits& traits = {});
  void put_copy(Bytes key, Bytes value, const Traits& traits = {});
  // A copy of what the parts make one after another.
  void put_joined(std::span<const Bytes> key, std::span<const Bytes> value, const Traits& traits = {});
  void del(Bytes key, const Traits& traits = {});

  void reserve(std::size_t operations, std::size_t copied_bytes);  // a hint

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }  // keys and values together
  Operation operator[](std::size_t at) const {
    const Entry& entry = entries_[at];
    const std::byte* const key = arena_.data() + entry.key_at;
    return {.kind = entry.kind,
            .key = Bytes(key, entry.key_size),
            .value = Bytes(entry.lent ? entry.lent : key + entry.key_size, entry.value_size),
            .traits = {.role = entry.role,
                       .core = entry.has_core ? std::optional(entry.core) : std::nullopt,
                       .size = entry.value_size,
                       .fresh = entry.fresh}};
  }
  void clear();

 private:
  struct Entry {
    const std::byte* lent;  // null: the value follows the key in the arena
    std::size_t value_size;
    std::size_t key_at;
    std::uint32_t key_size;
    CoreId core;
    Kind kind;
    Traits::Role role;
    bool has_core;
    bool fresh;
  };

  Entry& begin(Kind kind, std::span<const Bytes> key, const Traits& traits);

  std::vector<Entry> entries_;
  Buffer arena_;
  std::size_t bytes_ = 0;
};

}  // namespace sheaf
