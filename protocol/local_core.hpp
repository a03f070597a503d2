// Our side of one core as the protocol sees it: its key, its signed head, and which blocks are here.
//
// Owned by the core, which changes it between batches of work; channels and batches read it.
#pragma once

#include <optional>

#include "protocol/bitfield.hpp"
#include "protocol/manifest.hpp"
#include "protocol/tree_head.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf {

struct LocalCore {
  CoreKey key;
  std::optional<Manifest> manifest;  // absent until a peer has sent it, and for a compat core
  TreeHead head;
  Bitfield have;
  bool frozen = false;  // its writer signed two histories: nothing more is taken or served as good

  // Whether our tree leads from a peer's length to ours: of a longer tree we hold all the nodes that an
  // upgrade from there lists. May say no although it would work, never the other way.
  bool proves_upgrade_from(Length length) const;
};

}  // namespace sheaf
