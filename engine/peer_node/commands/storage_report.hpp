// The stores of a folder and the routes between them, as `sheaf info` shows them.
#pragma once

#include <string>

#include "engine/peer_node/commands/output.hpp"

namespace sheaf::peer_node {

// {"stores":[{"label","backend","path","adopt","trouble"}],"routes":[…],"fallback"}: the root first, then in
// the order of the configuration. `path` is absolute, null for a store in memory; `trouble` is null while a
// store answers. A route has the keys that it has in the configuration, and `name`: where it stands there.
// `fallback` is null where a value without a route is an error.
Json storage_json(const CommandContext& context);

// The same for a person, without a newline at the end.
std::string storage_table(const CommandContext& context);

}  // namespace sheaf::peer_node
