// A Hyperbee on one core while its node runs: how its tree is read, and whose turn it is to write.
//
// On the node's strand; shared by every handle and stream of the tree. Walks of the tree run on the pool as
// one job each; where a block is not here they say so, it is fetched, and they go on.
#pragma once

#include <functional>

#include "engine/archive/archive_lock.hpp"
#include "engine/archive/bee_cache.hpp"
#include "engine/core/core_registry.hpp"
#include "protocol/bee_writer.hpp"
#include "sheaf/engine/entry.hpp"

namespace sheaf {

class OpenBee {
 public:
  // `header`: what an empty core is given in front of the first write.
  OpenBee(CoreRegistry& cores, BeeCache& cache, const CoreKey& key, boost::asio::any_io_executor strand,
          BeeHeader header);

  const CoreKey& key() const { return key_; }
  // The core that the tree is on.
  boost::asio::awaitable<Result<OpenCore*>> db();

  // The version to read: `at`, once it is there, or the latest that the connected peers know.
  boost::asio::awaitable<Result<Version>> settle(std::optional<Version> at, Core::From from);

  // Whether the header can be read: not_available where it is not here, wrong_key where it is noise.
  boost::asio::awaitable<Result<void>> check_readable();

  // Runs `walk` on the pool until it needs no block that is not here. It may be run several times, and has to
  // go on where it stopped. wrong_key instead of malformed where not even the header can be read.
  using Walk = std::function<Result<void>(BeeBlocks&)>;
  boost::asio::awaitable<Result<void>> walk(Walk walk, Core::From from);
  // The same for what needs a few blocks: where all of them are decoded already, at once and on the strand.
  boost::asio::awaitable<Result<void>> look_up(Walk walk, Core::From from);

  // -- Writing. Whoever writes holds the turn.

  ArchiveLock entries_turn;

  // Appends what `change` makes of the tree as it is, and gives the version that comes of it. It may be run
  // several times, each time on a batch of its own. Requires: the turn.
  using Change = std::function<Result<void>(BeeBatch&)>;
  boost::asio::awaitable<Result<Version>> change(Change change, bool synced);
  // Puts the header into a core that has nothing.
  boost::asio::awaitable<Result<void>> ensure_header(bool synced);

 protected:
  CoreRegistry& cores() { return cores_; }

 private:
  CoreRegistry& cores_;
  CoreKey key_;
  DiscoveryKey discovery_key_;
  BeeHeader header_;
  BeeCache& cache_;
  const BeeCache::Tree tree_;
  std::optional<Fork> readable_;  // of which the header was read
};

}  // namespace sheaf
