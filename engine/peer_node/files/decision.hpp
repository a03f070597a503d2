// What an import or export has to do with one name: a pure function of what is on either side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node::files {

// One side: a file or link of a folder, or an entry of an archive.
struct Facts {
  enum class Kind { file, link, neither };
  Kind kind = Kind::file;
  std::uint64_t bytes = 0;               // of a file
  bool executable = false;               // of a file
  std::string link_text;                 // of a link, as an archive holds it
  std::optional<Milliseconds> modified;  // nothing: not known, or not to be carried over
};

enum class Verdict {
  add,         // there is nothing of that name
  change,      // there is something else
  compare,     // only the contents can tell; then after_comparing()
  attributes,  // the contents are the same, the executable bit or the time is not
  same,
};

// `from` is carried over to where `to` is. Sizes, times and the executable bit that are equal are enough,
// unless with `checksum`. A link is its text: its time is carried along and never a reason.
Verdict decide(const Facts& from, const std::optional<Facts>& to, bool checksum);

// Requires: decide() said `compare`.
Verdict after_comparing(const Facts& from, const Facts& to, bool equal_contents);

}  // namespace sheaf::peer_node::files
