#include "engine/peer_node/commands/output.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/peer_node/files/entry_path.hpp"

namespace sheaf::peer_node {
namespace {

// Requires: one character of UTF-8.
char32_t code_point(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  char32_t code = character.size() == 1 ? lead : lead & (0x7fu >> character.size());
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fu);
  return code;
}

bool is_obeyed(char32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;        // C0, DEL, C1
  if (code == 0x061c || code == 0x200e || code == 0x200f) return true;  // marks of direction
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = files::character_bytes(text);
    if (bytes > 0 && !is_obeyed(code_point(text.substr(0, bytes)))) {
      out += text.substr(0, bytes);
      text.remove_prefix(bytes);
      continue;
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(bytes, 1); ++i)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return out;
}

std::string key_line(const CommandContext& context, const CoreKey& key) {
  return context.global.json ? to_line({{"key", to_string(key)}}) : to_string(key);
}

std::string entry_line(const Entry& entry) {
  const char* type = entry.type == EntryType::file      ? "file"
                     : entry.type == EntryType::symlink ? "symlink"
                                                        : "metadata";
  Json head{{"name", entry.name}, {"link", to_string(entry.link)}, {"type", type}};
  head["length"] = entry.length ? Json(entry.length->value) : Json();
  head["blocks"] = entry.blocks.value;
  head["offset"] = {{"block", entry.offset.block.value}, {"byte", entry.offset.byte.value}};
  head["linkname"] = entry.type == EntryType::symlink ? Json(entry.linkname) : Json();
  head["executable"] = entry.executable;
  Json tail;
  tail["mtime"] = entry.mtime_ms ? Json(*entry.mtime_ms) : Json();
  tail["version"] = entry.version.value;
  tail["local"] = entry.local.value;
  // The metadata go through as their writer's text: numbers keep their digits.
  std::string line = to_line(head);
  line.back() = ',';
  return line + "\"metadata\":" + entry.metadata + "," + to_line(tail).substr(1);
}

Json core_json(const CoreInfo& info) {
  return {{"key", to_string(info.key)}, {"discovery_key", to_string(info.discovery_key)},
          {"writable", info.writable},  {"length", info.length.value},
          {"fork", info.fork.value},    {"bytes", info.bytes.value},
          {"local", info.local.value}};
}

}  // namespace sheaf::peer_node
