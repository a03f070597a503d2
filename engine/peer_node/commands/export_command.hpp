// sheaf export: the files and links of archives into a folder.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Goes twice through the entries of one version of each archive: first to know the names, before anything is
// written; then to write. Holds the links that step up behind a name, which are put last, and with --prune
// all names. What cannot be done for one entry is said, and the rest goes on. A killed run leaves files that
// are whole, and temporary ones that the next run takes away.
boost::asio::awaitable<Outcome> run(CommandContext& context, const ExportCommand& command, Io& io);

}  // namespace sheaf::peer_node
