// What a command finds around it when it starts: taken once from the process, or handed over by another.
//
// Commands look here instead of at the process, because the process that runs a command need not be the one
// that the user started.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace sheaf::peer_node {

struct Surroundings {
  std::map<std::string, std::string> environment;  // only what may change what a command does
  std::filesystem::path working_folder;            // absolute
  mode_t file_mask = 022;                          // umask, for what a command makes for its user

  std::optional<std::string> variable(const std::string& name) const;
  // `path` as the user of this working folder means it.
  std::filesystem::path resolve(const std::filesystem::path& path) const;

  bool operator==(const Surroundings&) const = default;
};

// Those of this process: its SHEAF_* variables, HOME and XDG_DATA_HOME.
Surroundings surroundings_of_process();

// $SHEAF_DIR, else `sheaf` in the XDG data home. Nothing when neither that nor HOME is set.
std::optional<std::filesystem::path> default_folder(const Surroundings& around);

}  // namespace sheaf::peer_node
