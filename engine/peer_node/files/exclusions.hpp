// --exclude: what an import leaves alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sheaf::peer_node::files {

// Shell patterns (fnmatch(3), byte by byte). One without a slash is held against the last part of a path, so
// that it matches at any depth; one with a slash against the whole path from the imported folder on, where *
// and ? match no slash. A slash at the end: folders only. What is below an excluded folder is excluded.
class Exclusions {
 public:
  Exclusions() = default;
  explicit Exclusions(const std::vector<std::string>& patterns);

  // `path`: "a/b", relative to the imported folder. For one step of a walk: what is above it was let through.
  bool match(const std::string& path, bool is_folder) const;
  // The same for a path whose folders were not asked about.
  bool match_whole(std::string_view path) const;

 private:
  struct Pattern {
    std::string text;
    bool folders_only = false;
    bool whole_path = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace sheaf::peer_node::files
