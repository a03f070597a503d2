// sheaf bench replicate: both ends of one replication on this machine, and what it took.
#pragma once

#include "engine/peer_node/bench/verbs.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Outcome> replicate(BenchContext context, const BenchReplicate& verb, bool json);

}  // namespace sheaf::peer_node
