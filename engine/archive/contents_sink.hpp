// Contents on their way into the blobs core of an archive that we write: cut into blocks, and appended in
// groups.
//
// On the strand. From the first block until it is destroyed or gives the turn back, nobody else appends, so
// where the next block will lie is known before it is stored. What was stored and is named by no entry is
// waste and nothing else.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/archive/open_archive.hpp"

namespace sheaf {

// Cuts what it is given into blocks of blob_block_bytes; the last one may be shorter.
class BlockCutter {
 public:
  void add(Bytes bytes);
  std::size_t full() const;
  // All of them, or those that are full; they are no longer here then.
  std::vector<Buffer> take(bool all);

 private:
  std::vector<Buffer> blocks_;
};

class ContentsSink {
 public:
  explicit ContentsSink(std::shared_ptr<OpenArchive> archive) : archive_(std::move(archive)) {}

  // Puts the blocks behind those that the blob has, and counts them into it; no blob: they begin one. May
  // keep up to a group's bytes back. refused where another blob has come between. After an error of the
  // store the sink takes nothing more.
  boost::asio::awaitable<Result<void>> add(std::optional<BlobId>& blob, std::vector<Buffer> blocks);
  // Stores what was kept back.
  boost::asio::awaitable<Result<void>> store(bool synced);
  void give_turn_back() { turn_ = {}; }
  // Whether what was stored is still there: refused where the core was wound back since.
  boost::asio::awaitable<Result<void>> still_there();

 private:
  std::shared_ptr<OpenArchive> archive_;
  ArchiveLock::Turn turn_;
  BlobOffset end_;               // where the next block will lie
  BlobOffset stored_;            // up to where it is stored
  std::optional<Fork> fork_;     // on which it was
  std::vector<Buffer> waiting_;  // from `stored_` to `end_`
  std::optional<Error> failed_;
};

}  // namespace sheaf
