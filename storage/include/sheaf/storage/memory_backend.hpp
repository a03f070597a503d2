// The reference backend: everything in memory, kept over close() and open(), gone with the object.
#pragma once

#include <memory>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

// May fail a write before it is applied; for simulation and tests. Called under the store's lock.
class WriteFaults {
 public:
  virtual ~WriteFaults() = default;
  virtual Error before_write(const Batch& batch, Durable durable) = 0;  // no error: let it pass
};

struct MemoryOptions {
  RandomSource* random = nullptr;       // for post(); outlives the store; none: the system's
  WriteFaults* faults = nullptr;        // outlives the store
  std::uint64_t capacity = UINT64_MAX;  // bytes of keys and values; a put beyond it answers full
  StoreLimits limits{};
};

std::unique_ptr<Backend> memory_backend(const MemoryOptions& options = {});

}  // namespace sheaf
