// Any command on an open node.
#pragma once

#include "engine/peer_node/commands/context.hpp"
#include "engine/peer_node/stop.hpp"

namespace sheaf::peer_node {

// Runs it, says on stderr why it failed, and gives its exit code. When it was cancelled, `stop` says why:
// then an endless command has done its work (0), and any other ended by a signal (128 + its number).
boost::asio::awaitable<int> run_command(CommandContext& context, const Command& command, Io& io,
                                        const Stop& stop);

// The code for a command that came to `code`, in the face of `stop`.
int code_when_stopped(int code, const CommandTraits& traits, const Stop& stop);

}  // namespace sheaf::peer_node
