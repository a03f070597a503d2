#include "engine/peer_node/files/link_text.hpp"

#include <algorithm>

namespace sheaf::peer_node::files {
namespace {

constexpr std::size_t most_text_bytes = 4095;  // PATH_MAX without its NUL

bool is_text(std::string_view text) {
  return !text.empty() && text.size() <= most_text_bytes && text.find('\0') == std::string_view::npos;
}

// The text's parts that are not empty and not ".".
template <class Visit>
bool each_part(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, end - at);
    at = std::min(end + 1, text.size());
    if (!part.empty() && part != "." && !visit(part)) return false;
  }
  return true;
}

// Whether following `text` from the folder `from` stays at or below the root.
bool stays(EntryPath from, std::string_view text, const IsFolder& is_folder) {
  std::size_t sure = from.parts.size();  // so many parts are the way to the link itself, and no link
  return each_part(text, [&](std::string_view part) {
    if (part != "..") {
      from.parts.emplace_back(part);
      return true;
    }
    if (from.parts.empty() || (from.parts.size() > sure && !is_folder(from))) return false;
    from.parts.pop_back();
    sure = std::min(sure, from.parts.size());
    return true;
  });
}

std::string_view without_trailing_slashes(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

}  // namespace

bool goes_down_and_up(std::string_view text) {
  bool down = false;
  return !each_part(text, [&](std::string_view part) {
    if (part == "..") return !down;
    down = true;
    return true;
  });
}

std::variant<std::string, SkipReason> link_text_for_folder(const EntryPath& at, std::string_view text,
                                                           std::string_view root, const IsFolder& is_folder,
                                                           bool unsafe) {
  if (!is_text(text)) return SkipReason::bad_link_text;
  const bool absolute = text.front() == '/';
  EntryPath from;
  if (!absolute) from.parts.assign(at.parts.begin(), at.parts.end() - 1);
  if (!unsafe && !stays(from, text, is_folder)) return SkipReason::leaves_folder;
  if (!absolute) return std::string(text);
  std::string below(without_trailing_slashes(root));
  below += text;
  if (!is_text(below)) return SkipReason::bad_link_text;
  return below;
}

std::variant<std::string, SkipReason> link_text_for_archive(std::string_view text, std::string_view root) {
  if (!is_text(text) || !is_utf8(text)) return SkipReason::bad_link_text;
  root = without_trailing_slashes(root);
  if (root.empty() || !text.starts_with(root)) return std::string(text);
  const std::string_view rest = text.substr(root.size());
  if (rest.empty()) return std::string("/");
  return std::string(rest.front() == '/' ? rest : text);
}

}  // namespace sheaf::peer_node::files
