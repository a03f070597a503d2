// Everything in a folder, in the order of the names that entries have: by bytes of the whole path.
//
// Goes by handles and enters no link. Holds one handle for each folder on the way down, and the names in it
// that are not passed over.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/peer_node/files/directory.hpp"
#include "engine/peer_node/files/entry_path.hpp"
#include "engine/peer_node/files/exclusions.hpp"

namespace sheaf::peer_node::files {

struct WalkRules {
  Exclusions exclude;
  std::optional<FileIdentity> never;  // a folder that is not entered: the one of the store
  // By path, "a/b": no folder, and not to be found. None: nothing is passed over.
  std::function<bool(const std::string&)> pass_over{};
};

class FolderWalk {
 public:
  // A file or a link; or something that is passed over, and why.
  struct Found {
    std::string path;  // "a/b", raw
    std::shared_ptr<Directory> parent;
    std::string name;  // in the parent
    std::variant<FileStatus, SkipReason, Error> is;
  };

  FolderWalk(std::shared_ptr<Directory> root, WalkRules rules);

  // Nothing at the end. Fails if the folder itself cannot be read; what lies in it is reported one by one.
  Result<std::optional<Found>> next();

  // Folders in which there is nothing that an entry could stand for, as far as the walk has come.
  std::size_t empty_folders() const { return empty_folders_; }

 private:
  struct Level {
    std::shared_ptr<Directory> folder;
    std::string path;  // "a/b/", "" for the root
    std::vector<Listed> listed;
    std::size_t at = 0;
    bool holds_something = false;
  };

  Result<void> enter(std::shared_ptr<Directory> folder, std::string path);
  std::optional<Found> visit(const Listed& listed);
  std::optional<Found> visit_folder(Found found);
  void leave();

  WalkRules rules_;
  std::shared_ptr<Directory> root_;
  std::vector<Level> levels_;
  std::size_t empty_folders_ = 0;
};

}  // namespace sheaf::peer_node::files
