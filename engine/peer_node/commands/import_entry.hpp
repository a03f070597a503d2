// One file or link of a folder on its way into an archive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/peer_node/commands/context.hpp"
#include "engine/peer_node/files/decision.hpp"
#include "engine/peer_node/files/folder_walk.hpp"

namespace sheaf::peer_node {

struct ImportManner {
  bool checksum = false;
  bool times = true;
  bool dry_run = false;
};

// Where an import is, for its progress.
struct ImportProgress {
  std::uint64_t files = 0;  // looked at
  std::uint64_t bytes = 0;  // put
};

struct ImportedFile {
  std::string name;                       // of the entry
  const files::FolderWalk::Found& found;  // a file or a link
  const std::string& root;                // the imported folder's path, for absolute links
};

// Puts into the batch what has to be put, and gives what it was. Of a file's contents it holds a piece at a
// time. What the folder says wrong is a reason or a system's error; the archive's own errors end the import.
struct ImportedAs {
  files::Verdict verdict = files::Verdict::same;
  std::optional<files::SkipReason> skipped;
  Error unread;  // of the folder
};
boost::asio::awaitable<Result<ImportedAs>> import_file(CommandContext& context, Archive& archive,
                                                       std::optional<ArchiveBatch>& batch,
                                                       const ImportedFile& file, ImportManner manner,
                                                       ImportProgress& progress);

}  // namespace sheaf::peer_node
