// Why one entry or one file stays where it is while the rest of an import or export goes on.
#pragma once

#include <string_view>

namespace sheaf::peer_node::files {

enum class SkipReason {
  // Its name.
  not_absolute,   // an entry's name begins with /
  not_normal,     // an empty part, "." or "..", a back slash, or what looks like a scheme
  nul_in_name,    // no file system can hold it
  not_utf8,       // a file's name that no entry can have
  part_too_long,  // most_part_bytes
  path_too_long,  // most_path_bytes
  too_deep,       // most_parts
  reserved,       // it looks like a file of ours that is being written
  // What it is.
  leaves_folder,  // a link text that leads out of the folder
  bad_link_text,  // empty, with a NUL, not UTF-8, or longer than a file system holds
  unknown_kind,   // a socket, a pipe, a device
  no_contents,    // an entry that is neither file nor link
  // What stands in its way.
  under_link,          // a part of its path is a link in the folder
  under_file,          // a part of its path is a file
  folder_in_the_way,   // a folder has its name
  special_in_the_way,  // a socket, pipe or device has its name
  own_folder,          // the folder of the store and its keys
  same_file,           // the file system takes its name for that of another entry (case, form of letters)
  given_twice,         // another of the paths has a file of that name
  // What it costs.
  over_max_bytes,  // --max-bytes
  disk_full,       // less would be left than the floor
};

// For a person: "its name has a part of more than 255 bytes".
std::string_view to_string(SkipReason reason);

}  // namespace sheaf::peer_node::files
