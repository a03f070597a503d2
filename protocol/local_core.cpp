#include "protocol/local_core.hpp"

#include "protocol/flat_tree.hpp"
#include "protocol/missing_nodes.hpp"

namespace sheaf {

bool LocalCore::proves_upgrade_from(Length length) const {
  if (length.value == 0 || length == head.length) return true;
  if (length > head.length) return false;
  if (have.contiguous() == head.length) return true;
  // With the last root of the shorter tree we hold its path to a root of ours, and the siblings on it, which
  // are what the upgrade lists.
  const auto roots = flat_tree::roots(length);
  return missing_nodes(roots.back(), head.length, have) == 0;
}

}  // namespace sheaf
