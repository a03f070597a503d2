// The arguments of the commands that write this folder's archive.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <CLI/App.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/surroundings.hpp"

namespace sheaf::peer_node {

// As bench_grammar() does it.
std::vector<std::pair<CLI::App*, std::function<Action(const Surroundings&)>>> write_grammar(CLI::App& app);

}  // namespace sheaf::peer_node
