// A disk that is full: a small tmpfs in a mount namespace of this process's own, which takes no privilege
// where the system lets users have namespaces. Where it does not, the test says so and is skipped by ctest,
// under its own name (crash.full_disk); limited_test.cpp then stands for it, by another way of refusing
// writes.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/crash/history.hpp"
#include "tests/crash/starved_store.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr int cycles = 10;
// Above the floor of 64 MiB by what the store needs, and not by much.
constexpr const char* disk_size = "size=112m";

bool say(const char* file, const std::string& text) {
  std::ofstream out(file);
  return static_cast<bool>(out << text << std::flush);
}

// From here on this process and its children see mounts of their own. Requires: one thread.
bool own_namespace() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    const auto same = [](auto id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
    if (!say("/proc/self/setgroups", "deny") || !say("/proc/self/uid_map", same(user)) ||
        !say("/proc/self/gid_map", same(group)))
      return false;
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

class SmallDisk {
 public:
  explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directory(folder_);
    mounted_ =
        own_namespace() && ::mount("tmpfs", folder_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, disk_size) == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& why() const { return why_; }

  // All but so many bytes are taken by somebody else.
  void fill(std::uint64_t left) {
    const int file = ::open(ballast().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    const std::uint64_t there = free();
    if (there > left) {
      const int failed = ::posix_fallocate(file, 0, static_cast<off_t>(there - left));
      CHECK(failed == 0);
    }
    ::close(file);
  }
  void clear() { REQUIRE(::unlink(ballast().c_str()) == 0); }

 private:
  std::string ballast() const { return folder_ + "/ballast"; }
  std::uint64_t free() const {
    struct statvfs about {};
    REQUIRE(::statvfs(folder_.c_str(), &about) == 0);
    return static_cast<std::uint64_t>(about.f_bavail) * about.f_frsize;
  }

  const std::string folder_;
  bool mounted_ = false;
  std::string why_;
};

}  // namespace

TEST_CASE("on a full disk puts are errors, and go on in the same process once there is room" *
          doctest::skip()) {
  Draws draws(32);
  CrashFolder scratch;
  SmallDisk disk(scratch / "disk");
  if (!disk.mounted()) {
    std::printf("crash: no small file system can be mounted here (%s): not shown on a full disk\n",
                disk.why().c_str());
    return;
  }
  Medium medium;
  // Nothing is left, or so little that a write ends in the middle.
  medium.starve = [&](const Process&, Draws& draw) { disk.fill(4096 * draw.below(8)); };
  medium.feed = [&](const Process&) { disk.clear(); };
  const Starved starved = starve(scratch / "disk/store", cycles, medium, draws);
  std::printf(
      "crash: %d times the disk was full: %zu puts were kept until then, %zu reads answered meanwhile; puts "
      "went on in the same process each time\n",
      cycles, starved.kept_meanwhile, starved.read_meanwhile);
}
