// What is made in a folder comes out as under the umask that was asked for, whatever that of the process is.
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <future>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/peer_node/files/disk_directory.hpp"
#include "engine/peer_node/files/file_mask.hpp"
#include "tests/peer_node/files_support.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::peer_node::files {
namespace {

namespace fs = std::filesystem;
using test::file_entry;

// Of the process, while a test runs.
class ProcessMask {
 public:
  explicit ProcessMask(mode_t mask) : before_(::umask(mask)) {}
  ~ProcessMask() { ::umask(before_); }

 private:
  const mode_t before_;
};

mode_t mode_of(const fs::path& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

// A folder that is made with its parent, and in it a file, a program, and a file in a folder of its own.
void make_all(const fs::path& root, std::optional<mode_t> mask) {
  auto made = DiskDirectory::at(root, true, DiskDirectory::Opening::best, mask);
  if (!made) return;
  TargetFolder target(std::move(*made), {});
  test::put(target, file_entry("/file", "x"));
  test::put(target, file_entry("/run", "#!", true));
  test::put(target, file_entry("/below/file", "x"));
}

void check_all(const fs::path& root, mode_t mask) {
  CHECK(mode_of(root.parent_path()) == (0777 & ~mask));
  CHECK(mode_of(root) == (0777 & ~mask));
  CHECK(mode_of(root / "below") == (0777 & ~mask));
  CHECK(mode_of(root / "file") == (0666 & ~mask));
  CHECK(mode_of(root / "below/file") == (0666 & ~mask));
  CHECK(mode_of(root / "run") == (0777 & ~mask));
}

// From now on this thread gets no umask of its own, as in a sandbox. False: that cannot be arranged here.
bool forbid_own_mask() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = std::size(program), .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_CASE("files and folders come out with the mask that was asked for, be it stricter or not") {
  for (const mode_t process : {mode_t{0}, mode_t{022}, mode_t{077}})
    for (const mode_t mask : {mode_t{0}, mode_t{002}, mode_t{027}, mode_t{077}}) {
      CAPTURE(process);
      CAPTURE(mask);
      const test::ScratchFolder scratch;
      const ProcessMask masked(process);
      make_all(scratch / "new/dest", mask);
      check_all(scratch / "new/dest", mask);
    }
}

TEST_CASE("without a mask it is the process's, also after others had theirs") {
  const test::ScratchFolder scratch;
  const ProcessMask masked(027);
  make_all(scratch / "first/dest", 0);
  make_all(scratch / "second/dest", std::nullopt);
  check_all(scratch / "second/dest", 027);
}

TEST_CASE("a mask is that of one thread") {
  const test::ScratchFolder scratch;
  const ProcessMask masked(027);
  std::promise<void> held, made;
  std::thread other([&] {
    const FileMask mask(mode_t{077});
    held.set_value();
    made.get_future().wait();
  });
  held.get_future().wait();
  make_all(scratch / "new/dest", std::nullopt);
  made.set_value();
  other.join();
  check_all(scratch / "new/dest", 027);
}

TEST_CASE("where no thread may have a mask of its own, nothing is more open than both of them permit") {
  const test::ScratchFolder scratch;
  const ProcessMask masked(022);
  bool arranged = false;
  // The filter is of the thread that installs it, and ends with it.
  std::thread confined([&] {
    arranged = forbid_own_mask();
    if (arranged) make_all(scratch / "new/dest", 007);
  });
  confined.join();
  if (!arranged) {
    MESSAGE("no system call can be forbidden here");
    return;
  }
  check_all(scratch / "new/dest", 027);
}

}  // namespace
}  // namespace sheaf::peer_node::files
