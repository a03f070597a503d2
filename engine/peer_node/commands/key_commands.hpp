// sheaf init, key export: the folder's own archive and the secret keys behind it.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const InitCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const KeyExportCommand& command, Io& io);

}  // namespace sheaf::peer_node
