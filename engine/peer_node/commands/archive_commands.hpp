// sheaf read, get: archives and the entries in them.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const ReadCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const GetCommand& command, Io& io);

}  // namespace sheaf::peer_node
