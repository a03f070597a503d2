// What the parts of the command line share. Each part is a function that adds commands to `app`, which
// outlives what is returned.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/App.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/surroundings.hpp"

namespace sheaf::peer_node {

// Builds the Command of a subcommand that was called. Throws WrongUsage.
using Build = std::function<Action(const Surroundings&)>;
using BuiltCommands = std::vector<std::pair<CLI::App*, Build>>;

// A subcommand whose help ends with an example.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& what,
                      const std::string& example);

}  // namespace sheaf::peer_node
