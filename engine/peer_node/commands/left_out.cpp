#include "engine/peer_node/commands/left_out.hpp"

namespace sheaf::peer_node {

using Why = BundleList::Incomplete::Why;

std::string_view to_string(Why why) {
  switch (why) {
    case Why::nothing_here: return "nothing of it is here yet";
    case Why::partly_here: return "not all of its entries are here";
    case Why::no_key: return "no archive, or encrypted with a key that is not here";
    case Why::malformed: return "its entries cannot be read: malformed";
  }
  return "";
}

int exit_code_of(Why why) {
  switch (why) {
    case Why::nothing_here:
    case Why::partly_here: return exit_code::no_peer;
    case Why::no_key: return exit_code::failed;
    case Why::malformed: return exit_code::integrity;
  }
  return exit_code::failed;
}

}  // namespace sheaf::peer_node
