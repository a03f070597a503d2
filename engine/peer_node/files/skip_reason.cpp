#include "engine/peer_node/files/skip_reason.hpp"

namespace sheaf::peer_node::files {

std::string_view to_string(SkipReason reason) {
  switch (reason) {
    case SkipReason::not_absolute: return "its name does not begin with /";
    case SkipReason::not_normal: return "its name is not in its normal form";
    case SkipReason::nul_in_name: return "its name has a NUL byte";
    case SkipReason::not_utf8: return "its name is not UTF-8";
    case SkipReason::part_too_long: return "its name has a part of more than 255 bytes";
    case SkipReason::path_too_long: return "its name has more than 4096 bytes";
    case SkipReason::too_deep: return "its name has more than 128 parts";
    case SkipReason::reserved: return "its name is kept for files that are being written";
    case SkipReason::leaves_folder: return "the link leads out of the folder";
    case SkipReason::bad_link_text: return "no file system takes its link text";
    case SkipReason::unknown_kind: return "it is neither file, folder nor link";
    case SkipReason::no_contents: return "the entry is neither file nor link";
    case SkipReason::under_link: return "a part of its path is a link in the folder";
    case SkipReason::under_file: return "a part of its path is a file in the folder";
    case SkipReason::folder_in_the_way: return "a folder has its name";
    case SkipReason::special_in_the_way: return "a socket, a pipe or a device has its name";
    case SkipReason::own_folder: return "it is the folder of the store and its keys";
    case SkipReason::same_file: return "the file system takes its name for another entry's";
    case SkipReason::given_twice: return "another of the given paths has a file of that name";
    case SkipReason::over_max_bytes: return "it is more than --max-bytes leaves room for";
    case SkipReason::disk_full: return "too little space would be left on the disk";
  }
  return "unknown";
}

}  // namespace sheaf::peer_node::files
