#include "engine/peer_node/files/metadata_time.hpp"

#include <nlohmann/json.hpp>

namespace sheaf::peer_node::files {

std::optional<std::string> metadata_with_time(std::string_view metadata, Milliseconds modified) {
  using Json = nlohmann::ordered_json;
  Json json = Json::parse(metadata, nullptr, false);
  if (json.is_null()) json = Json::object();
  if (!json.is_object()) return std::nullopt;
  json["mtime"] = modified;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sheaf::peer_node::files
