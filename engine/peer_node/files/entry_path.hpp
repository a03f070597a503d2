// An entry's name as a path below a folder: the one door that names of strangers pass on their way to disk.
//
// A writer can put any bytes as a name. What passes here is a row of parts that each name one thing in one
// folder, and nothing else: no "..", no separator, no NUL. Names that are not their own normal form (spec of
// Hyperdrive's paths) are refused, since two of them could mean one file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/peer_node/files/skip_reason.hpp"

namespace sheaf::peer_node::files {

// L19. What common file systems hold, and a depth that keeps a walk's open folders few.
inline constexpr std::size_t most_part_bytes = 255;
inline constexpr std::size_t most_path_bytes = 4096;
inline constexpr std::size_t most_parts = 128;

struct EntryPath {
  std::vector<std::string> parts;  // at least one

  const std::string& last() const { return parts.back(); }
  std::string text() const;  // "/a/b"
  auto operator<=>(const EntryPath&) const = default;
};

// A name as it stands in an archive: "/a/b".
std::variant<EntryPath, SkipReason> path_of_entry(std::string_view name);

// A file's path below a folder that is imported, "a/b". Also refuses what no entry can be called: names that
// are not UTF-8, and those that a drive given "a/b" would call something else ("notes:/x").
std::variant<EntryPath, SkipReason> path_of_file(std::string_view relative);

bool is_utf8(std::string_view text);
// How many bytes the character at the front has; 0: it is none of UTF-8. Requires: text is not empty.
std::size_t character_bytes(std::string_view text);

// The names of our files while they are being written. `number` is drawn at random.
std::string temporary_name(std::uint64_t number);
bool is_temporary_name(std::string_view part);

}  // namespace sheaf::peer_node::files
