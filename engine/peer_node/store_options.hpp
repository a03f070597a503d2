// The arguments of `sheaf store ...`.
#pragma once

#include "engine/peer_node/subcommands.hpp"

namespace sheaf::peer_node {

BuiltCommands store_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
