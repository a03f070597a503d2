#include "engine/peer_node/commands/output.hpp"

#include <fmt/format.h>

namespace sheaf::peer_node {

std::string to_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // 0x80 to 0x9f alone would be control characters of an 8-bit terminal; in UTF-8 they follow a lead byte.
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

std::string key_line(const CommandContext& context, const CoreKey& key) {
  return context.global.json ? to_line({{"key", to_string(key)}}) : to_string(key);
}

Json core_json(const CoreInfo& info) {
  return {{"key", to_string(info.key)}, {"discovery_key", to_string(info.discovery_key)},
          {"writable", info.writable},  {"length", info.length.value},
          {"fork", info.fork.value},    {"bytes", info.bytes.value},
          {"local", info.local.value}};
}

}  // namespace sheaf::peer_node
