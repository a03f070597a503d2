// One name in one archive: what is kept about it, and where its contents lie.
//
// Format of the stored form: docs/archives.md. Names and link texts are bytes that their writer chose; they
// are UTF-8 when a well-behaved writer made them, and are shown to a terminal or given to a file system only
// after they were looked at (`proper`).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

// A state of an archive: the length of its db core. 1 is the empty archive with its header; the entry that a
// write at version v puts is first seen at version v + 1.
using Version = Length;

enum class EntryType {
  file,      // has contents, which may be empty
  symlink,   // a link text instead of contents
  metadata,  // neither
};

struct BlobOffset {
  BlockIndex block;
  ByteCount byte;
  bool operator==(const BlobOffset&) const = default;
};

struct Entry {
  std::string name;  // "/hello.txt"
  CoreKey link;      // of the archive that has it
  EntryType type = EntryType::file;
  std::optional<ByteCount> length;  // of the contents; nothing where only a block map that is not here tells
  Length blocks;                    // that hold the contents, or the block map
  BlobOffset offset;                // where those begin in the archive's blobs core
  bool mapped = false;              // the blocks hold a block map
  std::string linkname;             // of a symlink, as it was given
  bool executable = false;
  std::string metadata = "null";         // JSON text
  std::optional<std::int64_t> mtime_ms;  // metadata's member "mtime", if it is an integer
  Version version;                       // of the archive, at which the entry was put
  Length local;                          // how many of `blocks` are here
  bool proper = true;  // the name is its own normal form; others can be listed, and not asked for by name

  bool operator==(const Entry&) const = default;
};

// What a writer says of an entry besides its contents.
struct EntryTraits {
  bool executable = false;
  std::string metadata = "null";  // JSON text
  // No aggregate: g++ 12 destroys those twice where they are default arguments of what is awaited.
  EntryTraits() = default;
  EntryTraits(bool executable_, std::string metadata_)
      : executable(executable_), metadata(std::move(metadata_)) {}
};

// The normal form of a name: one slash in front, none at the end, no empty, "." or ".." part; backslashes
// separate like slashes. Nothing where ".." would leave the root. "/" is the root itself.
std::optional<std::string> normal_name(std::string_view name);

}  // namespace sheaf
