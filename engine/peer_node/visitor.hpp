// The side that finds the folder held: hands its command over and waits for what comes of it.
#pragma once

#include <array>
#include <filesystem>
#include <sys/types.h>

#include <boost/asio/awaitable.hpp>

#include "engine/peer_node/handover.hpp"
#include "engine/peer_node/stop.hpp"
#include "sheaf/net/timers.hpp"

namespace sheaf::peer_node {

inline constexpr Duration holder_patience = std::chrono::seconds(5);

struct Visit {
  enum class How {
    nobody,    // no process listens there, or it was just ending: nothing was begun
    declined,  // the holder is at a short work of its own and will not run this: wait for the folder
    done,      // the holder ran it; `code` is its exit code
    released,  // the holder ended while it ran, and left the rest to us
    vanished,  // the holder died while it ran
    silent,    // the holder did not answer in time
    stranger,  // another user's process listens there: nothing was sent
  };
  How how = How::nobody;
  int code = 0;
  pid_t pid = 0;  // the holder's
};

// `descriptors` are stdin, stdout and stderr, and stay the caller's. A signal goes to the holder, which ends
// the command and answers with its code.
boost::asio::awaitable<Visit> visit_holder(const std::filesystem::path& folder, const Handover& handover,
                                           std::array<int, 3> descriptors, Timers& timers,
                                           Interrupts& interrupts);

}  // namespace sheaf::peer_node
