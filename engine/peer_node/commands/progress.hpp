// One line on stderr that tells a person how far things are, for work that lasts.
#pragma once

#include <functional>
#include <string>

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// Draws it from the first second on while `work` runs, and wipes it away at the end. Draws nothing unless
// stderr is a terminal, nor with --quiet. The line says how many blocks of all cores are here.
boost::asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io,
                                              boost::asio::awaitable<Outcome> work);

// The same with a line that the work has to tell.
boost::asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io,
                                              boost::asio::awaitable<Outcome> work,
                                              std::function<std::string()> line);

// The same before there is a node.
boost::asio::awaitable<Outcome> with_progress(Timers& timers, const GlobalOptions& global, Io& io,
                                              boost::asio::awaitable<Outcome> work,
                                              std::function<std::string()> line);

// Whether a line is drawn at all.
bool draws_progress(const GlobalOptions& global, const Io& io);

// "1.5 GB" of 10^9 bytes.
std::string shown_bytes(std::uint64_t bytes);

}  // namespace sheaf::peer_node
