// Names of entries: their one normal form, where a symlink leads, and the keys they have in the db core.
//
// Format: docs/archives.md; vectors drive/paths.json, drive/sub-encoder.json. Names are bytes of UTF-8; every
// byte but the separators may be in one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/bee_tree.hpp"

namespace sheaf {

// Whether the bytes are UTF-8: shortest forms, no surrogates.
bool is_utf8(std::string_view text);

// "/" and the parts with "/" between; the root is "/". Nothing where ".." would leave the root, or the text
// is not UTF-8.
std::optional<std::string> normal_path(std::string_view name);
// Where a link at `at` (a normal path) leads: relative texts are resolved as if the link were a folder.
std::optional<std::string> link_target(std::string_view at, std::string_view linkname);

// The folder's own name, or a normal path at or below it. Requires: both normal.
bool is_at_or_below(std::string_view path, std::string_view folder);

// `prefix ‖ name ‖ 0`: what all keys of a sub-database begin with.
Buffer sub_prefix(Bytes prefix, std::string_view name);
// Of the sub-database: a given bound is prefixed, and what is missing is its beginning or end.
BeeRange sub_range(Bytes prefix, const BeeRange& inside);

// Every entry of a drive lies in the sub-database `files`.
Bytes files_prefix();
Buffer entry_key(std::string_view path);
// The name in a key, as it is; nothing for a key outside `files`.
std::optional<std::string> entry_name(Bytes key);
// The entries below a folder, not those at it. Requires: a normal path.
BeeRange below_folder(std::string_view folder);

}  // namespace sheaf
