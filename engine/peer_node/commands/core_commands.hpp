// sheaf core create, append, get, info, seek, truncate.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreCreateCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreAppendCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreGetCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreInfoCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreSeekCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const CoreTruncateCommand& command, Io& io);

}  // namespace sheaf::peer_node
