// The router beside single engines, each used directly: puts under random keys, half of them overwritten,
// reads, deletes.
#pragma once

#include "engine/peer_node/bench/verbs.hpp"

namespace sheaf::peer_node {

// A table for each size of value, with --json an object. Each store in each round is in a fresh folder, the
// stores in turn; the figures are medians of the rounds. Nothing is synced. Cancelled, it ends after the
// store under way.
boost::asio::awaitable<Outcome> bench_store(BenchContext context, const BenchStore& verb, bool json);

}  // namespace sheaf::peer_node
