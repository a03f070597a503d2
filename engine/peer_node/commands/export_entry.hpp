// One entry of an archive on its way into a folder.
#pragma once

#include <cstdint>

#include "engine/peer_node/commands/context.hpp"
#include "engine/peer_node/files/target_folder.hpp"

namespace sheaf::peer_node {

struct ExportManner {
  Core::From from = Core::From::here;
  bool dry_run = false;
};

// Where an export is, for its progress.
struct ExportProgress {
  std::uint64_t entries = 0;  // looked at
  std::uint64_t bytes = 0;    // written
};

// Does what has to be done for the entry, and gives what it was: add, change or attributes, or `same`. Of a
// file's contents it holds a few blocks at a time. The target's calls run on the pool. Called one at a time,
// in the order of names. With `from` peers, each step waits for at most --timeout.
boost::asio::awaitable<files::OrSkip<files::Verdict>> export_entry(CommandContext& context, Archive& archive,
                                                                   const Entry& entry,
                                                                   files::TargetFolder& target,
                                                                   ExportManner manner,
                                                                   ExportProgress& progress);

}  // namespace sheaf::peer_node
