// Two ends of a connection in memory, as fast as the two sides are.
#pragma once

#include <memory>
#include <utility>

#include "sheaf/net/byte_stream.hpp"

namespace sheaf::peer_node {

// Both ends are used from one strand, and may go in either order.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams();

}  // namespace sheaf::peer_node
