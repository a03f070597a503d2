// sheaf serve, connect.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const ServeCommand& command, Io& io);
boost::asio::awaitable<Outcome> run(CommandContext& context, const ConnectCommand& command, Io& io);

// Says so when the process that holds the folder fetches otherwise than this command asks.
boost::asio::awaitable<void> warn_of_sparse_holder(CommandContext& context, Io& io, bool sparse);

// Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const Address& address);

}  // namespace sheaf::peer_node
