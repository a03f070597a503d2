// One archive while its node runs: the tree of its entries on its db core, and the contents on its blobs
// core.
//
// On the node's strand; shared by every handle and stream of the archive.
#pragma once

#include <memory>
#include <optional>

#include "engine/archive/open_bee.hpp"
#include "protocol/drive_entry.hpp"
#include "sheaf/engine/archive.hpp"

namespace sheaf {

// An entry as its block says it.
struct StoredEntry {
  std::string name;
  BlockIndex seq;
  DriveEntry value;
};

// Malformed where the value is none.
Result<StoredEntry> stored_entry(const BeeEntry& entry);

// Why contents that a signed entry names cannot be read. They were written, so whatever lies past the length
// known here is only not here yet: of an archive's two cores the one with the entries may be the further.
inline Error why_no_contents(const Error& error) {
  return error == EngineErrc::out_of_range ? EngineErrc::not_available : error;
}

class OpenArchive final : public OpenBee {
 public:
  OpenArchive(CoreRegistry& cores, BeeCache& cache, const CoreKey& key, boost::asio::any_io_executor strand);

  // Waits for header and manifest unless only what is here counts (then not_available).
  boost::asio::awaitable<Result<OpenCore*>> blobs(Core::From from);

  boost::asio::awaitable<Result<std::optional<StoredEntry>>> find(std::string path, Version version,
                                                                  Core::From from);
  // What a caller is shown; fetches block maps where they are needed to know the length.
  boost::asio::awaitable<Result<Entry>> shown(StoredEntry entry, Core::From from);
  // A file's content blocks in order where they are named by a map.
  boost::asio::awaitable<Result<std::vector<MappedBlock>>> block_map(BlobId id, Core::From from);

  // -- Writing. Whoever writes holds the turn of the core that it appends to; who needs both takes that of
  // the entries first.

  ArchiveLock contents_turn;

  // Where the next block of contents will lie.
  boost::asio::awaitable<Result<BlobOffset>> contents_end();
  // Requires: the contents' turn, and that `at` is the end. refused where it is not, because somebody wound
  // the core back meanwhile.
  boost::asio::awaitable<Result<void>> append_contents(std::vector<Buffer> blocks, BlobOffset at,
                                                       bool synced);
  // How many blocks of the blobs core the entries of a version name.
  boost::asio::awaitable<Result<Length>> named_blocks(Version version);
};

}  // namespace sheaf
