// The benchmarks: what is measured is the public engine, driven as any program would drive it.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/io.hpp"
#include "engine/peer_node/stop.hpp"
#include "sheaf/engine/environment.hpp"

namespace sheaf::peer_node {

// Runs the verb to an exit code. A verb of the contract prints its lines, then waits for the end of stdin.
boost::asio::awaitable<int> run_bench(const Environment& environment, const BenchCommand& command,
                                      const GlobalOptions& global, Io& io, Interrupts& interrupts);

}  // namespace sheaf::peer_node
