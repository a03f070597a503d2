// How results look: JSON objects with their keys in the order of the contract, and texts made safe to show.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "engine/peer_node/commands/context.hpp"
#include "sheaf/engine/core.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf::peer_node {

using Json = nlohmann::ordered_json;

// One line; bytes that are not UTF-8 are replaced.
std::string to_line(const Json& json);

// Control characters escaped, so that a name cannot move a terminal's cursor.
std::string printable(const std::string& text);

// A core's key as commands print it: bare, or {"key":"…"} with --json.
std::string key_line(const CommandContext& context, const CoreKey& key);

// {"key","discovery_key","writable","length","fork","bytes","local"}
Json core_json(const CoreInfo& info);

}  // namespace sheaf::peer_node
