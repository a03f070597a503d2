// The LevelDB backend with what it stands on given from outside: another Env, another gauge of free space.
#pragma once

#include <memory>

#include "sheaf/storage/leveldb_backend.hpp"

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

// Both outlive the store.
struct LevelDbSeams {
  leveldb::Env* env = nullptr;  // null: the system's; else its folder is not a real one
  SpaceGauge* space = nullptr;  // null: of the file system of the folder, or endless with an env
};

std::unique_ptr<Backend> leveldb_backend(const LevelDbOptions& options, const LevelDbSeams& seams);

}  // namespace sheaf
