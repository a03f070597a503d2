// sheaf write, append, rm, truncate: this folder's own archive.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const WriteCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const AppendCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const RemoveCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const TruncateCommand& command, Io& io);

}  // namespace sheaf::peer_node
