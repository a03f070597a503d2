// What the commands of the value store share.
#pragma once

#include <string>

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// "what: the error's words", and those of the store that failed, by name.
Outcome store_failed(CommandContext& context, const Error& error, const std::string& what);

// A store that an earlier write has failed is opened again by the next one; the node, whose store it is too,
// reads its cores again by itself. Blocks.
Result<void> make_writable(Router& store);

// All of stdin. StorageErrc::too_large once it is longer than `most`; the rest is not read then.
boost::asio::awaitable<Result<Buffer>> read_all(Io& io, std::size_t most);

}  // namespace sheaf::peer_node
