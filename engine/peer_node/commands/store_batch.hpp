// Puts and deletes of the value store as lines of JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/peer_node/commands/context.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf::peer_node {

// One line: {"type":"put","key":…,"value":…} or {"type":"del","key":…}; key_hex and value_hex hold what is no
// text, in hex digits. Adds it to `batch`, which keeps a copy. Else what is wrong with it.
std::optional<std::string> add_operation(Batch& batch, Bytes line);

// All of stdin, in one write. Empty lines count for nothing.
boost::asio::awaitable<Outcome> run(CommandContext& context, const StoreBatchCommand& command, Io& io);

}  // namespace sheaf::peer_node
