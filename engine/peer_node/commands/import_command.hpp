// sheaf import: files and links of folders into the archive that this folder writes.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Entries are put in batches of one append each, and said once they are there; so a killed run leaves whole
// entries, and the next one does the rest. Holds the names of one batch; with --prune or several paths, all
// names. What cannot be read is said, and the rest goes on.
boost::asio::awaitable<Outcome> run(CommandContext& context, const ImportCommand& command, Io& io);

}  // namespace sheaf::peer_node
