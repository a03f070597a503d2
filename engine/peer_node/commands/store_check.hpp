// Checking and mending the value store, and the blocks of cores with it: all that the folder's router keeps.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// A line for each finding, and one of sums. Exit 4 when something is wrong and was not mended.
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreCheckCommand& command, Io& io);

}  // namespace sheaf::peer_node
