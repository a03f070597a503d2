#include "engine/peer_node/files/prune.hpp"

#include <algorithm>

#include "engine/peer_node/files/left_overs.hpp"

namespace sheaf::peer_node::files {
namespace {

// Both parts of "a/b/c": the folder "a/b", "" for the root, and the name.
std::pair<std::string, std::string> divide(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::shared_ptr<Directory> open_below(std::shared_ptr<Directory> folder, const std::string& path) {
  for (std::size_t at = 0; folder && at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    auto next = folder->open(path.substr(at, end - at));
    if (!next) return nullptr;
    folder = std::move(*next);
    at = end + 1;
  }
  return folder;
}

WalkRules passing_over(WalkRules rules, const std::function<bool(const std::string&)>& keep) {
  rules.pass_over = [keep](const std::string& path) { return keep("/" + path); };
  return rules;
}

}  // namespace

Prune::Prune(std::shared_ptr<Directory> root, WalkRules rules, std::function<bool(const std::string&)> keep,
             bool dry_run)
    : root_(root), walk_(std::move(root), passing_over(std::move(rules), keep)), dry_run_(dry_run) {}

Result<std::optional<Prune::Removed>> Prune::next() {
  for (;;) {
    auto found = walk_.next();
    if (!found) return found.error();
    if (!*found) {
      remove_emptied_folders();
      return std::optional<Removed>();
    }
    const FolderWalk::Found& file = **found;
    if (const auto* error = std::get_if<Error>(&file.is))
      return std::optional(Removed{"/" + file.path, *error});
    if (!std::holds_alternative<FileStatus>(file.is)) continue;
    Removed removed{"/" + file.path, {}};
    if (!dry_run_) removed.how = file.parent->remove(file.name);
    if (removed.how) thinned_.insert(divide(file.path).first);
    return std::optional(std::move(removed));
  }
}

void Prune::remove_emptied_folders() {
  if (dry_run_) return;
  // From the end: what is in a folder comes behind it.
  while (!thinned_.empty()) {
    const auto last = std::prev(thinned_.end());
    const std::string path = *last;
    thinned_.erase(last);
    if (path.empty()) continue;
    if (const auto folder = open_below(root_, path)) remove_left_overs(*folder);
    const auto [above, name] = divide(path);
    const auto parent = open_below(root_, above);
    // One that is not empty stays.
    if (parent && parent->remove_folder(name)) thinned_.insert(above);
  }
}

}  // namespace sheaf::peer_node::files
