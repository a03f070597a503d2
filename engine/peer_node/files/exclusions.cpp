#include "engine/peer_node/files/exclusions.hpp"

#include <fnmatch.h>

namespace sheaf::peer_node::files {

Exclusions::Exclusions(const std::vector<std::string>& patterns) {
  for (std::string text : patterns) {
    if (text.empty() || text == "/") continue;
    Pattern pattern;
    pattern.folders_only = text.size() > 1 && text.back() == '/';
    if (pattern.folders_only) text.pop_back();
    pattern.whole_path = text.find('/') != std::string::npos;
    if (text.front() == '/') text.erase(0, 1);
    pattern.text = std::move(text);
    patterns_.push_back(std::move(pattern));
  }
}

bool Exclusions::match(const std::string& path, bool is_folder) const {
  const std::size_t slash = path.rfind('/');
  const char* last = path.c_str() + (slash == std::string::npos ? 0 : slash + 1);
  for (const auto& pattern : patterns_) {
    if (pattern.folders_only && !is_folder) continue;
    const char* subject = pattern.whole_path ? path.c_str() : last;
    if (::fnmatch(pattern.text.c_str(), subject, FNM_PATHNAME) == 0) return true;
  }
  return false;
}

bool Exclusions::match_whole(std::string_view path) const {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
    if (match(std::string(path.substr(0, slash)), true)) return true;
  return match(std::string(path), false);
}

}  // namespace sheaf::peer_node::files
