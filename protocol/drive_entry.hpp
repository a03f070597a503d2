// The value of an entry in a db core: JSON text, as Hyperdrive 13 writes it.
//
// Format: docs/archives.md; vectors drive/drive-*.json. Foreign values are taken with tolerance: missing
// members are false or null, what is not a boolean counts as JavaScript counts it, unknown members are kept.
// Whatever is no object, is too large or too deep, or has a blob id with numbers that are none: malformed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/blob_id.hpp"

namespace sheaf {

struct DriveEntry {
  bool executable = false;
  std::optional<std::string> linkname;
  std::optional<BlobId> blob;
  std::string metadata = "null";         // JSON text without spaces
  std::string others;                    // JSON text: an object of the members unknown here; empty: none
  std::optional<std::int64_t> mtime_ms;  // metadata's member, where it is an integer
  bool operator==(const DriveEntry&) const = default;
};

Result<DriveEntry> decode_drive_entry(Bytes value);
// Requires: metadata and others are what json_text() gives or a decoded entry has.
Buffer encode(const DriveEntry& entry);

// As an entry's metadata: the text without spaces and with every member in its order; malformed where it is
// no JSON, too deep for an entry or too large.
Result<std::string> json_text(std::string_view text);
std::optional<std::int64_t> mtime_of(std::string_view metadata);

}  // namespace sheaf
