#include "engine/peer_node/files/file_mask.hpp"

#include <sched.h>
#include <sys/stat.h>

namespace sheaf::peer_node::files {
namespace {

// The threads of a process share one umask, until one of them leaves the others. It takes along a working
// folder of its own, which nobody here changes: names are resolved against that of a command's user.
bool has_own_mask() {
  thread_local const bool left = ::unshare(CLONE_FS) == 0;
  return left;
}

}  // namespace

FileMask::FileMask(std::optional<mode_t> mask) {
  if (!mask) return;
  if (has_own_mask())
    before_ = ::umask(*mask & 0777);
  else
    kept_back_ = *mask & 0777;
}

FileMask::~FileMask() {
  if (before_) ::umask(*before_);
}

}  // namespace sheaf::peer_node::files
