// The arguments of the commands that write this folder's archive.
#pragma once

#include "engine/peer_node/subcommands.hpp"

namespace sheaf::peer_node {

BuiltCommands write_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
