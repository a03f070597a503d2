// The LevelDB backend with what it stands on given from outside: another Env, another gauge of free space;
// and with records kept in memory, which needs to know what they are.
#pragma once

#include <memory>

#include "sheaf/storage/leveldb_backend.hpp"
#include "storage/record_cache.hpp"

namespace leveldb {
class Env;
}

namespace sheaf {

struct Space {
  std::uint64_t free = UINT64_MAX;  // bytes that may still be written
  std::uint64_t total = UINT64_MAX;
};

// How much room the medium has. Called under the store's lock.
class SpaceGauge {
 public:
  virtual ~SpaceGauge() = default;
  virtual Space measure() = 0;
};

// The first two outlive the store.
struct LevelDbSeams {
  leveldb::Env* env = nullptr;  // null: the system's; else its folder is not a real one
  SpaceGauge* space = nullptr;  // null: of the file system of the folder, or endless with an env
  // A checked read may be answered by what an earlier one or the write itself has vouched for.
  RecordCacheOptions records{};
};

std::unique_ptr<Backend> leveldb_backend(const LevelDbOptions& options, const LevelDbSeams& seams);

}  // namespace sheaf
