// How many bytes the blocks that are here have, told by the tree above them.
#pragma once

#include "protocol/bitfield.hpp"
#include "protocol/merkle.hpp"

namespace sheaf {

// Of the held blocks in a range. Reads a few nodes for each run of them, and none where all are held. Fails
// with missing_node where the tree of a held block is not here, else with the reader's errors.
Result<ByteCount> held_bytes(BlockRange range, const Bitfield& have, const TreeHead& head, NodeReader& nodes);

}  // namespace sheaf
