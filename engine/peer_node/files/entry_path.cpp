#include "engine/peer_node/files/entry_path.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace sheaf::peer_node::files {
namespace {

constexpr std::string_view temporary_prefix = ".sheaf-part-";
constexpr std::size_t temporary_digits = 16;

std::optional<SkipReason> fault_of_part(std::string_view part) {
  if (part.empty() || part == "." || part == "..") return SkipReason::not_normal;
  if (part.find('\\') != std::string_view::npos) return SkipReason::not_normal;
  if (part.find('\0') != std::string_view::npos) return SkipReason::nul_in_name;
  if (part.size() > most_part_bytes) return SkipReason::part_too_long;
  if (is_temporary_name(part)) return SkipReason::reserved;
  return std::nullopt;
}

// `relative`: without the leading slash.
std::variant<EntryPath, SkipReason> split(std::string_view relative) {
  if (relative.size() + 1 > most_path_bytes) return SkipReason::path_too_long;
  EntryPath path;
  for (std::size_t from = 0; from <= relative.size();) {
    const std::size_t end = std::min(relative.find('/', from), relative.size());
    const std::string_view part = relative.substr(from, end - from);
    if (const auto fault = fault_of_part(part)) return *fault;
    if (path.parts.size() == most_parts) return SkipReason::too_deep;
    path.parts.emplace_back(part);
    from = end + 1;
  }
  return path;
}

}  // namespace

std::string EntryPath::text() const {
  std::string out;
  for (const auto& part : parts) (out += '/') += part;
  return out;
}

std::variant<EntryPath, SkipReason> path_of_entry(std::string_view name) {
  if (name.empty() || name.front() != '/') return SkipReason::not_absolute;
  return split(name.substr(1));
}

std::variant<EntryPath, SkipReason> path_of_file(std::string_view relative) {
  if (!is_utf8(relative)) return SkipReason::not_utf8;
  auto path = split(relative);
  const auto* parts = std::get_if<EntryPath>(&path);
  if (parts != nullptr && parts->parts.size() > 1 && parts->parts.front().back() == ':')
    return SkipReason::not_normal;
  return path;
}

std::size_t character_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : std::uint8_t{0};
  };
  const auto follows = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xbf) {
    return at(i) >= from && at(i) <= to;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    // Neither longer than need be, nor one half of a surrogate pair.
    const bool second = follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    return second && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string temporary_name(std::uint64_t number) {
  return fmt::format("{}{:0{}x}", temporary_prefix, number, temporary_digits);
}

bool is_temporary_name(std::string_view part) {
  if (part.size() != temporary_prefix.size() + temporary_digits || !part.starts_with(temporary_prefix))
    return false;
  const std::string_view digits = part.substr(temporary_prefix.size());
  return digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace sheaf::peer_node::files
