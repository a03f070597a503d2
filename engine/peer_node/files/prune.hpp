// --prune: what a folder holds and no entry of an export is, goes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/peer_node/files/folder_walk.hpp"

namespace sheaf::peer_node::files {

// Files and links; of folders those that became empty by it. What could not be removed stays and is reported.
class Prune {
 public:
  // `keep`: by path, "/a/b". `dry_run`: only says what it would remove.
  Prune(std::shared_ptr<Directory> root, WalkRules rules, std::function<bool(const std::string&)> keep,
        bool dry_run);

  struct Removed {
    std::string path;  // "/a/b"
    Result<void> how;
  };
  // Nothing at the end. Fails if the folder itself cannot be read.
  Result<std::optional<Removed>> next();

 private:
  void remove_emptied_folders();

  std::shared_ptr<Directory> root_;
  FolderWalk walk_;
  bool dry_run_;
  std::set<std::string> thinned_;  // folders out of which something went: "a/b"
};

}  // namespace sheaf::peer_node::files
