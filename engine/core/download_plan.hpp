// Which block to ask of whom: a pure function of what peers have, what is wanted and what is in flight.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "protocol/bitfield.hpp"
#include "protocol/have_set.hpp"

namespace sheaf {

struct PlanPeer {
  const HaveSet* has;
  std::size_t room;  // how many requests more it takes now
};

struct PlannedAsk {
  std::size_t peer;  // its place among the peers given
  BlockIndex block;
};

// Fills the peers' room from the front of the wanted ranges: the first range first, each block once, and each
// peer only with what it has. `in_flight` are blocks that were asked or have arrived and are not verified
// yet; what is planned is added to it. Peers are filled one after another, so with several each works on a
// run of its own. The order of asks is the order in which they should leave.
std::vector<PlannedAsk> plan_downloads(std::span<const BlockRange> wanted, const Bitfield& held,
                                       Bitfield& in_flight, std::span<PlanPeer> peers);

}  // namespace sheaf
