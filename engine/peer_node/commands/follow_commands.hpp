// sheaf add, forget.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const AddCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const ForgetCommand& command, Io& io);

}  // namespace sheaf::peer_node
