// Archives that a list or an export goes on without: how it is said, and what it makes of the exit code.
#pragma once

#include <string_view>

#include "engine/peer_node/exit_code.hpp"
#include "sheaf/engine/bundle.hpp"

namespace sheaf::peer_node {

std::string_view to_string(BundleList::Incomplete::Why why);

// For a command that should have had all of it.
int exit_code_of(BundleList::Incomplete::Why why);

}  // namespace sheaf::peer_node
