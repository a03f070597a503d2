// What every part of a running node shares: its strand, what was injected, its store, and whom to tell.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "engine/core/quota.hpp"
#include "net/task_group.hpp"
#include "protocol/slab.hpp"
#include "sheaf/net/pool.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"
#include "storage/core_table.hpp"

namespace sheaf {

struct ArchiveEvent;
class OpenCore;

// What a core tells its node. Called on the strand.
class NodeHooks {
 public:
  // A write failed: the store takes no more until it was reopened.
  virtual void store_failed(Error error) = 0;
  virtual void core_frozen(const CoreKey& key) = 0;
  // Something of it was stored or went: its head, its blocks.
  virtual void core_changed(OpenCore& core) = 0;
  // A reader waits for blocks of it, or for its length, which peers may have.
  virtual void core_wanted(OpenCore& core) = 0;
  // Header and manifest of an archive's db core are here: its blobs core can be found out.
  virtual void header_came(const DiscoveryKey& db) = 0;
  // Something happened to one of the cores of an archive.
  virtual void archive_moved(const ArchiveEvent& event) = 0;
  // Blocks of it are wanted, and what its archive's other core keeps is not known: that has to be opened.
  virtual void partner_needed(const OpenCore& core) = 0;
  // The archive has come to its quota, or something of it has gone, so that there is room again.
  virtual void quota_moved(const CoreKey& archive) = 0;
  // No memory is left for frames that are arriving, and a session waits for some (L3).
  virtual void memory_spent() = 0;

 protected:
  ~NodeHooks() = default;
};

// Owned by the node; outlives everything that refers to it. Used on the strand, except pool, limits, root and
// table, which any thread may use.
struct NodeContext {
  boost::asio::any_io_executor strand;
  Timers& timers;
  Pool& pool;
  RandomSource& random;
  const Limits& limits;
  TaskGroup& tasks;
  SlabPool& slabs;
  Backend& root;
  CoreTable& table;
  NodeHooks& hooks;
  bool sparse = false;      // fetch only what is read or downloaded
  bool power_safe = false;  // sync every commit
  Quota quota{};
  // The store has refused to write and was not mended at once, as on a full disk: nothing is fetched, of no
  // archive, until it takes writes again.
  bool store_stopped = false;
  // Connections being dialled or shaking hands: a peer that may still have more to say of any core.
  std::size_t connecting = 0;
  Signal connected{};  // `connecting` went down
};

}  // namespace sheaf
