// The arguments of `sheaf bench VERB ...`.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <CLI/App.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/surroundings.hpp"

namespace sheaf::peer_node {

// Adds the commands to `app`, which outlives what is returned; each with the function that builds its
// Command once it was called. That one throws WrongUsage.
std::vector<std::pair<CLI::App*, std::function<Action(const Surroundings&)>>> bench_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
