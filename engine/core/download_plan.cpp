#include "engine/core/download_plan.hpp"

namespace sheaf {

std::vector<PlannedAsk> plan_downloads(std::span<const BlockRange> wanted, const Bitfield& held,
                                       Bitfield& in_flight, std::span<PlanPeer> peers) {
  std::vector<PlannedAsk> out;
  for (const BlockRange& range : wanted) {
    for (std::size_t peer = 0; peer < peers.size(); ++peer) {
      // Both fields skip whole runs: the cursor jumps to where neither has the block.
      BlockIndex at = range.begin;
      while (peers[peer].room > 0 && at < range.end) {
        const BlockIndex not_held = held.first_unset(at);
        const BlockIndex free = in_flight.first_unset(not_held);
        if (free != not_held) {
          at = free;
          continue;
        }
        if (free >= range.end) break;
        const auto theirs = peers[peer].has->first({free, range.end});
        if (!theirs) break;
        if (*theirs != free) {
          at = *theirs;
          continue;
        }
        in_flight.set(free);
        out.push_back({peer, free});
        --peers[peer].room;
        at = free + Length{1};
      }
    }
  }
  return out;
}

}  // namespace sheaf
