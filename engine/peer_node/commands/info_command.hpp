// sheaf info.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const InfoCommand& command, Io& io);

}  // namespace sheaf::peer_node
