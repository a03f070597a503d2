// The arguments of `sheaf core ...`.
#pragma once

#include "engine/peer_node/subcommands.hpp"

namespace sheaf::peer_node {

BuiltCommands core_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
