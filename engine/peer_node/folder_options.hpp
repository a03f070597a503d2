// The arguments of the commands between archives and folders of the disk.
#pragma once

#include "engine/peer_node/subcommands.hpp"

namespace sheaf::peer_node {

BuiltCommands folder_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
