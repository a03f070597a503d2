// Why a command is asked to end before it is done, and whoever asks.
#pragma once

#include "sheaf/net/signal.hpp"

namespace sheaf::peer_node {

struct Stop {
  enum class Why {
    none,      // go on
    signal,    // the user's: SIGINT or SIGTERM, `number`
    gone,      // the process that handed the command over is no longer there
    released,  // the holder is ending: the other process shall run the command itself
  };
  Why why = Why::none;
  int number = 0;
};

// The signals of this process, told to whatever runs at the moment.
struct Interrupts {
  int number = 0;  // of the first one; 0: none yet
  Signal arrived;
};

}  // namespace sheaf::peer_node
