#include "storage/space_gauge.hpp"

#include <algorithm>
#include <sys/statvfs.h>

namespace sheaf {
namespace {

constexpr std::uint64_t unasked_most = 64 * 1024 * 1024;

class FolderGauge final : public SpaceGauge {
 public:
  explicit FolderGauge(std::string folder) : folder_(std::move(folder)) {}

  Space measure() override {
    struct statvfs answer;
    if (::statvfs(folder_.c_str(), &answer) != 0) return {};
    const std::uint64_t unit = answer.f_frsize;
    return {.free = unit * answer.f_bavail, .total = unit * answer.f_blocks};
  }

 private:
  std::string folder_;
};

}  // namespace

std::unique_ptr<SpaceGauge> folder_gauge(std::string folder) {
  return std::make_unique<FolderGauge>(std::move(folder));
}

// Bytes above the floor.
std::uint64_t SpaceGuard::room() {
  const Space space = gauge_.measure();
  const std::uint64_t least = std::max(floor_.bytes, space.total / 100 * floor_.percent);
  return space.free > least ? space.free - least : 0;
}

bool SpaceGuard::admits(std::uint64_t bytes) {
  if (bytes > unasked_) {
    const std::uint64_t left = room();
    if (left < bytes) {
      unasked_ = 0;
      return false;
    }
    unasked_ = std::max(bytes, std::min(unasked_most, left / 4));
  }
  unasked_ -= bytes;
  return true;
}

}  // namespace sheaf
