// sheaf sync: a session over the command's own stdin and stdout.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Nothing but the session is written to stdout. The other side may end first: then it is complete if all that
// is known of every core is here.
boost::asio::awaitable<Outcome> run(CommandContext& context, const SyncCommand& command, Io& io);

}  // namespace sheaf::peer_node
