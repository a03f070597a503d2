#include "engine/peer_node/files/folder_walk.hpp"

#include <algorithm>

namespace sheaf::peer_node::files {
namespace {

// As its path goes on: what is in the folder "a" comes after the file "a-b", since "/" comes after "-".
bool comes_before(const Listed& a, const Listed& b) {
  const std::size_t common = std::min(a.name.size(), b.name.size());
  if (const int order = a.name.compare(0, common, b.name, 0, common); order != 0) return order < 0;
  const auto next = [common](const Listed& listed) -> int {
    if (listed.name.size() > common) return static_cast<unsigned char>(listed.name[common]);
    return listed.kind == FileKind::folder ? '/' : -1;
  };
  return next(a) < next(b);
}

}  // namespace

FolderWalk::FolderWalk(std::shared_ptr<Directory> root, WalkRules rules)
    : rules_(std::move(rules)), root_(std::move(root)) {}

Result<std::optional<FolderWalk::Found>> FolderWalk::next() {
  if (root_)
    if (auto entered = enter(std::exchange(root_, nullptr), {}); !entered) return entered.error();
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.at == level.listed.size()) {
      leave();
      continue;
    }
    const Listed listed = std::move(level.listed[level.at++]);
    if (auto found = visit(listed)) return found;
  }
  return std::optional<Found>();
}

Result<void> FolderWalk::enter(std::shared_ptr<Directory> folder, std::string path) {
  bool passed_over = false;
  const auto wanted = [&](const Listed& one) {
    if (one.kind == FileKind::folder || !rules_.pass_over || !rules_.pass_over(path + one.name)) return true;
    passed_over = true;
    return false;
  };
  auto listed = folder->list(wanted);
  if (!listed) return listed.error();
  std::sort(listed->begin(), listed->end(), comes_before);
  levels_.push_back({std::move(folder), std::move(path), std::move(*listed), 0, passed_over});
  return {};
}

void FolderWalk::leave() {
  const bool holds_something = levels_.back().holds_something;
  levels_.pop_back();
  if (levels_.empty()) return;
  if (holds_something)
    levels_.back().holds_something = true;
  else
    ++empty_folders_;
}

std::optional<FolderWalk::Found> FolderWalk::visit(const Listed& listed) {
  Level& level = levels_.back();
  if (is_temporary_name(listed.name)) return std::nullopt;
  const bool is_folder = listed.kind == FileKind::folder;
  Found found{level.path + listed.name, level.folder, listed.name, SkipReason::unknown_kind};
  if (rules_.exclude.match(found.path, is_folder)) {
    level.holds_something = true;
    return std::nullopt;
  }
  if (is_folder) return visit_folder(std::move(found));
  level.holds_something = true;
  if (listed.kind == FileKind::other) return found;
  const auto status = level.folder->status(listed.name);
  if (!status) {
    found.is = status.error();
  } else if (!*status) {
    return std::nullopt;  // gone meanwhile
  } else if ((*status)->kind == FileKind::file || (*status)->kind == FileKind::link) {
    found.is = **status;
  }
  return found;
}

std::optional<FolderWalk::Found> FolderWalk::visit_folder(Found found) {
  if (levels_.size() == most_parts) {
    levels_.back().holds_something = true;
    found.is = SkipReason::too_deep;
    return found;
  }
  auto folder = found.parent->open(found.name);
  if (folder && rules_.never && (*folder)->identity() == *rules_.never) {
    levels_.back().holds_something = true;
    return std::nullopt;
  }
  Result<void> entered;
  if (folder)
    entered = enter(std::shared_ptr<Directory>(std::move(*folder)), found.path + "/");
  else
    entered = folder.error();
  if (entered) return std::nullopt;
  levels_.back().holds_something = true;
  found.is = entered.error();
  return found;
}

}  // namespace sheaf::peer_node::files
