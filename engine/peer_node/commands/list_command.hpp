// sheaf list: the entries of archives as they are, and as they come.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const ListCommand& command, Io& io);

}  // namespace sheaf::peer_node
