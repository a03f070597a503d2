// A call that cannot be meant: exit 2, and nothing was tried.
#pragma once

#include <stdexcept>

namespace sheaf::peer_node {

class WrongUsage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace sheaf::peer_node
