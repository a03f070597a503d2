// One line on stderr that tells a person how far things are, for work that lasts.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Draws it from the first second on while `work` runs, and wipes it away at the end. Draws nothing unless
// stderr is a terminal, nor with --quiet.
boost::asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io,
                                              boost::asio::awaitable<Outcome> work);

}  // namespace sheaf::peer_node
