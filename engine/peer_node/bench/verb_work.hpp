// What the verbs share: their node, their server, their lines.
#pragma once

#include "engine/peer_node/bench/bench_node.hpp"
#include "engine/peer_node/bench/verbs.hpp"
#include "engine/peer_node/commands/output.hpp"

namespace sheaf::peer_node {

// Where the two sides of a verb meet.
Address here(const BenchContext& context, std::uint16_t port);

// The last line of a verb; ends with stdin.
boost::asio::awaitable<Outcome> say_and_idle(Io& io, Json line);

// Runs `work` while one session with the server lasts. It begins first, so that its clock runs before the
// connection is made.
boost::asio::awaitable<Outcome> while_connected(BenchContext context, Node& node, std::uint16_t port,
                                                boost::asio::awaitable<Outcome> work);

// Opens the node, does the work and closes the node, whatever came of it.
template <class Work>
boost::asio::awaitable<Outcome> on_node(BenchContext context, std::filesystem::path folder, Work work) {
  const std::filesystem::path store = context.in_memory ? std::filesystem::path{} : folder;
  auto bench = co_await open_bench_node(store, context.environment);
  if (!bench) co_return failed(bench.error(), folder);
  Outcome outcome = co_await work(*bench->node);
  co_await bench->close();
  co_return outcome;
}

}  // namespace sheaf::peer_node
