#include "engine/peer_node/files/left_overs.hpp"

#include "engine/peer_node/files/entry_path.hpp"

namespace sheaf::peer_node::files {

void remove_left_overs(Directory& folder) {
  const auto listed = folder.list([](const Listed& one) { return is_temporary_name(one.name); });
  if (!listed) return;
  for (const Listed& one : *listed) {
    [[maybe_unused]] const auto removed = folder.remove_left_over(one.name);
  }
}

}  // namespace sheaf::peer_node::files
