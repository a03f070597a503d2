// How keys and values of the value store stand in JSON: as texts where they are UTF-8, else in hex digits
// under a name of their own.
#pragma once

#include <string>
#include <string_view>

#include "engine/peer_node/commands/output.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf::peer_node {

// Adds "NAME":"…", or "NAME_hex":"…" where the bytes are no UTF-8.
void add_bytes(Json& json, const std::string& name, Bytes bytes);

// What add_bytes() made of bytes. Nothing, with the reason, where neither member is there, or both, or one is
// not what it has to be.
std::optional<Buffer> bytes_of(const Json& json, const std::string& name, std::string& wrong);

}  // namespace sheaf::peer_node
