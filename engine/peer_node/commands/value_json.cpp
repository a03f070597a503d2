#include "engine/peer_node/commands/value_json.hpp"

#include "engine/peer_node/files/entry_path.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf::peer_node {
namespace {

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = files::character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace

void add_bytes(Json& json, const std::string& name, Bytes bytes) {
  if (is_utf8(as_text(bytes)))
    json[name] = std::string(as_text(bytes));
  else
    json[name + "_hex"] = to_hex(bytes);
}

std::optional<Buffer> bytes_of(const Json& json, const std::string& name, std::string& wrong) {
  const auto text = json.find(name);
  const auto hex = json.find(name + "_hex");
  if ((text == json.end()) == (hex == json.end())) {
    wrong = "has to have one of " + name + " and " + name + "_hex";
    return std::nullopt;
  }
  if (text != json.end()) {
    if (text->is_string()) return to_buffer(as_bytes(text->get_ref<const std::string&>()));
    wrong = name + " is not a text";
    return std::nullopt;
  }
  std::optional<Buffer> bytes;
  if (hex->is_string()) bytes = from_hex(hex->get_ref<const std::string&>());
  if (!bytes) wrong = name + "_hex is not a text of hex digits, two for a byte";
  return bytes;
}

}  // namespace sheaf::peer_node
