// One archive while its node runs: its two cores, what was decoded of its tree, and whose turn it is to
// write.
//
// On the node's strand; shared by every handle and stream of the archive. Walks of the tree run on the pool
// as one job each; where a block is not here they say so, it is fetched, and they go on.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/archive/archive_lock.hpp"
#include "engine/archive/bee_cache.hpp"
#include "engine/core/core_registry.hpp"
#include "protocol/bee_writer.hpp"
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

class OpenArchive {
 public:
  OpenArchive(CoreRegistry& cores, const CoreKey& key, boost::asio::any_io_executor strand);

  const CoreKey& key() const { return key_; }
  boost::asio::awaitable<Result<OpenCore*>> db();
  // Waits for header and manifest unless only what is here counts (then not_available).
  boost::asio::awaitable<Result<OpenCore*>> blobs(Core::From from);

  // The version to read: `at`, once it is there, or the latest that the connected peers know.
  boost::asio::awaitable<Result<Version>> settle(std::optional<Version> at, Core::From from);

  // Whether the header can be read: not_available where it is not here, wrong_key where it is noise.
  boost::asio::awaitable<Result<void>> check_readable();

  // Runs `walk` on the pool until it needs no block that is not here. It may be run several times, and has to
  // go on where it stopped. wrong_key instead of malformed where not even the header can be read.
  using Walk = std::function<Result<void>(BeeBlocks&)>;
  boost::asio::awaitable<Result<void>> walk(Walk walk, Core::From from);

  boost::asio::awaitable<Result<std::optional<StoredEntry>>> find(std::string path, Version version,
                                                                  Core::From from);
  // What a caller is shown; fetches block maps where they are needed to know the length.
  boost::asio::awaitable<Result<Entry>> shown(StoredEntry entry, Core::From from);
  // A file's content blocks in order where they are named by a map.
  boost::asio::awaitable<Result<std::vector<MappedBlock>>> block_map(BlobId id, Core::From from);

  // -- Writing. Whoever writes holds the turn of the core that it appends to; who needs both takes that of
  // the entries first.

  ArchiveLock entries_turn;
  ArchiveLock contents_turn;

  // Puts the header into a db core that has nothing.
  boost::asio::awaitable<Result<void>> ensure_header(bool synced);
  // Appends what `change` makes of the tree as it is, and gives the version that comes of it. It may be run
  // several times, each time on a batch of its own. Requires: the entries' turn.
  using Change = std::function<Result<void>(BeeBatch&)>;
  boost::asio::awaitable<Result<Version>> change(Change change, bool synced);
  // Where the next block of contents will lie.
  boost::asio::awaitable<Result<BlobOffset>> contents_end();
  // Requires: the contents' turn, and that `at` is the end. refused where it is not, because somebody wound
  // the core back meanwhile.
  boost::asio::awaitable<Result<void>> append_contents(std::vector<Buffer> blocks, BlobOffset at,
                                                       bool synced);
  // How many blocks of the blobs core the entries of a version name.
  boost::asio::awaitable<Result<Length>> named_blocks(Version version);

 private:
  CoreRegistry& cores_;
  CoreKey key_;
  DiscoveryKey discovery_key_;
  BeeCache cache_;
};

}  // namespace sheaf
