#include "protocol/entry_path.hpp"

#include <vector>

namespace sheaf {
namespace {

constexpr std::string_view separators = "/\\";

// Without the scheme of a URL or the letter of a drive that Windows puts in front.
std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find_first_of(separators, at), name.size());
    out.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (out.size() > 1 && out.front().ends_with(':')) {
    const bool alone = out.front().size() == 2 || out.front() == "file:";
    out.erase(out.begin(), out.begin() + std::min<std::ptrdiff_t>(alone ? 1 : 3, std::ssize(out)));
  }
  return out;
}

bool resolve(std::vector<std::string_view>& onto, std::string_view name) {
  for (const std::string_view part : parts_of(name)) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      onto.push_back(part);
    } else if (onto.empty()) {
      return false;
    } else {
      onto.pop_back();
    }
  }
  return true;
}

std::string joined(const std::vector<std::string_view>& parts) {
  if (parts.empty()) return "/";
  std::string out;
  for (const std::string_view part : parts) {
    out += '/';
    out += part;
  }
  return out;
}

bool is_absolute(std::string_view name) {
  if (name.empty()) return false;
  if (separators.find(name.front()) != std::string_view::npos) return true;
  const std::size_t separator = name.find_first_of(separators);
  return separator != std::string_view::npos && separator > 0 && name[separator - 1] == ':' &&
         (separator == 2 || name.substr(0, separator) == "file:");
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    std::size_t more = 0;
    unsigned least = 0x80;  // what the first byte after the lead may be
    unsigned most = 0xbf;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) least = 0xa0;
      if (lead == 0xed) most = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) least = 0x90;
      if (lead == 0xf4) most = 0x8f;
    } else {
      return false;
    }
    if (text.size() - i <= more) return false;
    for (std::size_t j = 1; j <= more; ++j) {
      if (byte(i + j) < least || byte(i + j) > most) return false;
      least = 0x80;
      most = 0xbf;
    }
    i += more + 1;
  }
  return true;
}

std::optional<std::string> normal_path(std::string_view name) {
  std::vector<std::string_view> parts;
  if (!is_utf8(name) || !resolve(parts, name)) return std::nullopt;
  return joined(parts);
}

std::optional<std::string> link_target(std::string_view at, std::string_view linkname) {
  std::vector<std::string_view> parts;
  if (!is_utf8(linkname)) return std::nullopt;
  if (!is_absolute(linkname) && !resolve(parts, at)) return std::nullopt;
  if (!resolve(parts, linkname)) return std::nullopt;
  return joined(parts);
}

bool is_at_or_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

Buffer sub_prefix(Bytes prefix, std::string_view name) {
  Buffer out = to_buffer(prefix);
  append(out, as_bytes(name));
  out.push_back(std::byte{0});
  return out;
}

BeeRange sub_range(Bytes prefix, const BeeRange& inside) {
  const auto prefixed = [&](const Buffer& bound) {
    Buffer out = to_buffer(prefix);
    append(out, bound);
    return out;
  };
  if (prefix.empty()) return inside;
  BeeRange out;
  if (inside.gt)
    out.gt = prefixed(*inside.gt);
  else
    out.gte = prefixed(inside.gte.value_or(Buffer()));
  if (inside.lt)
    out.lt = prefixed(*inside.lt);
  else if (inside.lte)
    out.lte = prefixed(*inside.lte);
  else {
    out.lt = to_buffer(prefix);
    out.lt->back() = std::byte{1};
  }
  return out;
}

Bytes files_prefix() {
  static const Buffer out = sub_prefix({}, "files");
  return out;
}

Buffer entry_key(std::string_view path) {
  Buffer out = to_buffer(files_prefix());
  append(out, as_bytes(path));
  return out;
}

std::optional<std::string> entry_name(Bytes key) {
  const Bytes prefix = files_prefix();
  if (key.size() < prefix.size() || !equal(key.first(prefix.size()), prefix)) return std::nullopt;
  return std::string(as_text(key.subspan(prefix.size())));
}

BeeRange below_folder(std::string_view folder) {
  const std::string inside = folder == "/" ? "" : std::string(folder);
  BeeRange range;
  range.gt = to_buffer(as_bytes(inside + '/'));
  range.lt = to_buffer(as_bytes(inside + '0'));  // '0' comes right after '/'
  return sub_range(files_prefix(), range);
}

}  // namespace sheaf
