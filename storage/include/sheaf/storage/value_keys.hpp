// Where the values of applications lie in a folder's store. A node keeps its own state and blocks in the same
// key space, so that an application's key is stored one byte deeper, behind a byte that begins no key of the
// node's (storage/key_schema.hpp).
//
//   store->put(value_key(as_bytes("greeting")), value, {}, Durable::yes);
#pragma once

#include <optional>

#include "sheaf/storage/backend.hpp"

namespace sheaf {

// L23, of the application's own key; what is longer answers StorageErrc::too_large.
inline constexpr std::size_t value_key_bytes_most = 1024;

// Requires of value_key: a key of at least one byte.
Buffer value_key(Bytes key);
// Nothing for the keys of the node. The view is into `stored`.
std::optional<Bytes> key_of_value(Bytes stored);

// Bounds on the application's keys, as bounds on the stored ones; it never leaves the values of applications.
class ValueRange {
 public:
  explicit ValueRange(const KeyRange& range);
  ValueRange(const ValueRange&) = delete;
  ValueRange& operator=(const ValueRange&) = delete;

  const KeyRange& stored() const { return range_; }

 private:
  Buffer gt_, gte_, lt_, lte_;
  KeyRange range_;
};

// What the store of a folder holds under a key, for messages.
struct BlockOfCore {
  std::uint32_t core = 0;  // its number in this folder
  std::uint64_t index = 0;
};
// Nothing where the stored key is not that of a block.
std::optional<BlockOfCore> block_of_key(Bytes stored);

}  // namespace sheaf
