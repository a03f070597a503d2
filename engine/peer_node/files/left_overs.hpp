// Temporary files that a run left behind which was killed.
#pragma once

#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node::files {

// Those in this folder that nobody is writing any more, as far as it can be listed and they can be removed.
void remove_left_overs(Directory& folder);

}  // namespace sheaf::peer_node::files
