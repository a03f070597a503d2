// Single engines, used as directly as their own interfaces allow: what the router is measured against.
#pragma once

#include <filesystem>
#include <memory>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::peer_node {

class SingleEngine {
 public:
  virtual ~SingleEngine() = default;
  virtual Result<void> put(Bytes key, Bytes value) = 0;
  virtual Result<void> get(Bytes key, Buffer& out) = 0;  // replaces `out`
  virtual Result<void> del(Bytes key) = 0;
};

// LevelDB with the settings of our own store on it, but none of its promises: nothing about failed writes, no
// checksums on reading, no limits, nobody who follows changes.
Result<std::unique_ptr<SingleEngine>> single_leveldb(const std::filesystem::path& folder);

// RocksDB without compression, values from 4 KiB on in blob files. Fails with operation_not_supported where
// this executable was built without it (SHEAF_BENCH_ROCKSDB).
Result<std::unique_ptr<SingleEngine>> single_rocksdb(const std::filesystem::path& folder);
bool has_rocksdb();

}  // namespace sheaf::peer_node
