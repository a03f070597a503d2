// The umask of somebody else, for what this thread makes while one of these lives: a command that was handed
// over makes files as its user would, whatever the process was started with.
//
// Other threads keep theirs. Where the system lets no thread have its own, as some sandboxes do, what is made
// permits at most what both masks do.
#pragma once

#include <optional>
#include <sys/types.h>

namespace sheaf::peer_node::files {

class FileMask {
 public:
  explicit FileMask(std::optional<mode_t> mask);  // nothing: this thread's, as it is
  ~FileMask();
  FileMask(const FileMask&) = delete;
  FileMask& operator=(const FileMask&) = delete;

  // What to ask the system for.
  mode_t mode(mode_t wanted) const { return wanted & ~kept_back_; }

 private:
  mode_t kept_back_ = 0;
  std::optional<mode_t> before_;  // of this thread, where it was changed
};

}  // namespace sheaf::peer_node::files
