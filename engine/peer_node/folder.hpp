// DIR as it lies on disk, seen from outside the engine.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>

namespace sheaf::peer_node {

// What lies in DIR by a name of ours, beside the stores that its owner configures: none of these may lie
// there.
inline constexpr const char* root_name = "root";  // as open_folder_store() has it
inline constexpr const char* keys_name = "keys";
inline constexpr const char* control_name = "control";
inline constexpr const char* config_name = "sheaf.toml";
inline constexpr const char* own_names[] = {root_name, keys_name, control_name, config_name};

// What is wrong with who may read DIR/root and DIR/keys, and how to mend it; empty when nothing is. A folder
// that is not there is fine.
std::string exposed_secrets(const std::filesystem::path& folder);

// The process that has locked the folder's store, 0 if it cannot be told.
pid_t pid_of_holder(const std::filesystem::path& folder);

}  // namespace sheaf::peer_node
