#include "engine/peer_node/folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/peer_node/descriptor.hpp"

namespace sheaf::peer_node {
namespace {

std::string exposed(const std::filesystem::path& path, mode_t allowed, const char* mend) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return {};
  if ((about.st_mode & 07777 & ~allowed) == 0 && about.st_uid == ::geteuid()) return {};
  if (about.st_uid != ::geteuid()) return path.string() + " belongs to another user";
  return path.string() + " is open to others: chmod " + mend + " it";
}

}  // namespace

std::string exposed_secrets(const std::filesystem::path& folder) {
  std::string wrong = exposed(folder / root_name, 0700, "700");
  if (wrong.empty()) wrong = exposed(folder / keys_name, 0600, "600");
  return wrong;
}

pid_t pid_of_holder(const std::filesystem::path& folder) {
  // The kernel knows who holds a lock, and forgets it with the process: no stale number can be read here.
  for (const char* name : {"lock", "root/LOCK"}) {
    Descriptor file(::open((folder / name).c_str(), O_RDWR | O_CLOEXEC));
    if (!file) continue;
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(file.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) return lock.l_pid;
  }
  return 0;
}

}  // namespace sheaf::peer_node
