// A folder for the length of a benchmark.
#pragma once

#include <filesystem>
#include <stdlib.h>
#include <string>

namespace sheaf::peer_node {

// Below the one for temporary files, gone with everything in it at the end. An empty path: it could not be
// made.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "sheaf-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sheaf::peer_node
