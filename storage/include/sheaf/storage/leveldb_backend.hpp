// The durable backend: one LevelDB folder.
#pragma once

#include <memory>
#include <string>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

struct LevelDbOptions {
  std::string folder;              // made with mode 0700 where it is missing; its parent has to exist
  bool create = true;              // false: a missing store answers not_found
  RandomSource* random = nullptr;  // for post(); outlives the store; none: the system's
  SpaceFloor floor{};
  StoreLimits limits{};
  // Memory, in bytes: two write buffers at most are held, and one cache of table blocks.
  std::size_t write_buffer_bytes = 32 * 1024 * 1024;
  std::size_t cache_bytes = 8 * 1024 * 1024;
};

// Not opened yet.
std::unique_ptr<Backend> leveldb_backend(const LevelDbOptions& options);

}  // namespace sheaf
