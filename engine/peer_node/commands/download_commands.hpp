// sheaf clone, download: what is followed, fetched and kept.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> run(CommandContext& context, const CloneCommand& command, Io& io);
// One file; or all of an archive or core; or all of everything.
boost::asio::awaitable<Outcome> run(CommandContext& context, const DownloadCommand& command, Io& io);

}  // namespace sheaf::peer_node
