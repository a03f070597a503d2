// Follows the value store.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// A line for each change that is acknowledged from the moment on when it says on stderr that it watches:
// {"type":"put","batch":N,"key":…}, "del" likewise; {"type":"gap"} in place of those it was too slow for.
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreWatchCommand& command, Io& io);

}  // namespace sheaf::peer_node
