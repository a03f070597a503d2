// put, post, get, del, list and explain of the value store. Each ends once what it wrote is safe on the disk.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const StorePutCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const StorePostCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreGetCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreDelCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreListCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreExplainCommand& command, Io& io);

}  // namespace sheaf::peer_node
