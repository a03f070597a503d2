// Decides whether a store may still write: the floor of free space (L20).
#pragma once

#include <memory>
#include <string>

#include "storage/leveldb_seams.hpp"

namespace sheaf {

// Of the file system that holds the folder; endless where it cannot be asked.
std::unique_ptr<SpaceGauge> folder_gauge(std::string folder);

// Asks the gauge only now and then: after a quarter of the room above the floor may have been written, and
// at least every 64 MiB, since others write to the same disk. Calls are made one at a time.
class SpaceGuard {
 public:
  SpaceGuard(SpaceGauge& gauge, const SpaceFloor& floor) : gauge_(gauge), floor_(floor) {}

  // Whether `bytes` more may be written; they count as written then.
  bool admits(std::uint64_t bytes);
  // Asks the gauge.
  bool above_floor() { return room() > 0; }

 private:
  std::uint64_t room();

  SpaceGauge& gauge_;
  SpaceFloor floor_;
  std::uint64_t unasked_ = 0;  // bytes that may be written before the gauge is asked again
};

}  // namespace sheaf
