// LevelDB's outcomes as ours.
#pragma once

#include <leveldb/slice.h>
#include <leveldb/status.h>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

inline leveldb::Slice to_slice(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes from_slice(const leveldb::Slice& slice) {
  return {reinterpret_cast<const std::byte*>(slice.data()), slice.size()};
}

// Requires: !status.ok(). A missing file is damage; only a missing key is not_found.
StorageErrc to_errc(const leveldb::Status& status);

}  // namespace sheaf
