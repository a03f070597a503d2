// How results look: JSON objects with their keys in the order of the contract, and texts made safe to show.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/peer_node/commands/context.hpp"
#include "sheaf/engine/archive.hpp"
#include "sheaf/engine/core.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf::peer_node {

using Json = nlohmann::ordered_json;

// One line; bytes that are not UTF-8 are replaced.
std::string to_line(const Json& json);

// What a terminal would obey instead of show, escaped: control characters (also those of eight bits, in
// UTF-8), what turns the direction of writing, line and paragraph separators, and bytes that are not UTF-8.
// Texts that strangers chose are shown through this.
std::string printable(std::string_view text);

// A core's key as commands print it: bare, or {"key":"…"} with --json.
std::string key_line(const CommandContext& context, const CoreKey& key);

// An entry as `list --json` prints it, on one line.
std::string entry_line(const Entry& entry);

// {"key","discovery_key","writable","length","fork","bytes","local"}
Json core_json(const CoreInfo& info);

}  // namespace sheaf::peer_node
