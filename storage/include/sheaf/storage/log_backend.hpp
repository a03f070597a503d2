// The store for large values: each is written once, to the end of a log, and stays there until most of its
// neighbours are dead. An index of keys lies beside it.
//
// Fit for values from a few KiB up. Smaller ones work, but are written twice.
//
// Space: the log is cut into segments. Writers pay for giving space back: with each write, a segment at most
// half of which is alive is copied on a little, and removed once nothing of it is left. So the log is at most
// about twice what is alive, and one segment, for as long as somebody writes.
#pragma once

#include <memory>
#include <string>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

struct LogOptions {
  std::string folder;              // made with mode 0700 where it is missing; its parent has to exist
  bool create = true;              // false: a missing store answers not_found
  RandomSource* random = nullptr;  // for post(); outlives the store; none: the system's
  SpaceFloor floor{};
  StoreLimits limits{};
  std::uint64_t segment_bytes = 128 * 1024 * 1024;
  // What may be written before the index is brought up to date, which syncs the log; also what opening reads
  // again after a crash.
  std::uint64_t checkpoint_bytes = 32 * 1024 * 1024;
  std::size_t checkpoint_keys = 4096;  // the same in changed keys, which are in memory until then
};

// Not opened yet.
std::unique_ptr<Backend> log_backend(const LogOptions& options);

}  // namespace sheaf
