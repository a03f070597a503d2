// What a symbolic link says, on its way between an archive and a folder.
//
// An absolute text in an archive is meant from the archive's root. In a folder it is written below the
// folder, and cut off again on the way back. The engine never follows a link; these functions are for the
// programs that will.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/peer_node/files/entry_path.hpp"

namespace sheaf::peer_node::files {

// Whether every part of the path is a folder and no link, at this moment and in the folder itself: names that
// differ in the archive may be one name there.
using IsFolder = std::function<bool(const EntryPath&)>;

// Whether a ".." comes behind a name. Such a text means what it says only while the name is a folder: these
// links are put last, when the folders are there.
bool goes_down_and_up(std::string_view text);

// The text to write for the link at `at`. `root`: the folder's absolute path, with no link in it. Following
// what is written stays in the folder, as long as every other link there is one of these: a ".." that would
// step out is refused, and so is one behind anything but a folder, which is never replaced by a link.
// `unsafe`: texts that lead out are kept.
std::variant<std::string, SkipReason> link_text_for_folder(const EntryPath& at, std::string_view text,
                                                           std::string_view root, const IsFolder& is_folder,
                                                           bool unsafe);

// The text to keep in an archive for a link found in a folder with that root: whole parts are compared, so
// that a neighbour whose name begins with the folder's is left alone.
std::variant<std::string, SkipReason> link_text_for_archive(std::string_view text, std::string_view root);

}  // namespace sheaf::peer_node::files
