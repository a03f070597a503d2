// The time of a file in its entry's metadata: {"mtime": milliseconds since 1970}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node::files {

// The metadata (JSON) with the time in it: for null and for an object, whose other members stay as they are.
// Nothing where there is no place for a time, because the metadata is something else.
std::optional<std::string> metadata_with_time(std::string_view metadata, Milliseconds modified);

}  // namespace sheaf::peer_node::files
