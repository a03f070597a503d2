// The whole of a call of `sheaf`, from a parsed command to an exit code.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/io.hpp"
#include "engine/peer_node/stop.hpp"
#include "sheaf/engine/environment.hpp"

namespace sheaf::peer_node {

// Runs the command on the folder, or has the process run it that holds the folder. `arguments` are those that
// `command` was parsed from.
boost::asio::awaitable<int> run_program(const Environment& environment,
                                        const std::vector<std::string>& arguments, Command command, Io& io,
                                        Interrupts& interrupts);

}  // namespace sheaf::peer_node
