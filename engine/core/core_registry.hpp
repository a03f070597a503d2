// The cores that this node knows, and those of them that are open, found by discovery key.
//
// On the strand. A known core costs its discovery key and a number here; opening reads its state from disk,
// on the pool, once however many ask. An open core stays where it is until forget() or close().
#pragma once

#include <memory>
#include <unordered_map>

#include "engine/core/open_core.hpp"

namespace sheaf {

class CoreRegistry {
 public:
  explicit CoreRegistry(NodeContext& node) : node_(node) {}

  // Reads the list of cores; comes first.
  boost::asio::awaitable<Result<void>> load();

  bool knows(const DiscoveryKey& key) const { return known_.contains(key); }
  std::vector<DiscoveryKey> known() const;
  std::vector<OpenCore*> open_now() const;

  // The open core; opens it if need be. not_found for one that is not known.
  boost::asio::awaitable<Result<OpenCore*>> open(DiscoveryKey key);
  OpenCore* find(const DiscoveryKey& key);  // only if it is open

  boost::asio::awaitable<Result<OpenCore*>> create(std::string name, const Seed& seed);
  // Of a record that is not known yet. `foreign`: its secret key has been elsewhere, and may have signed
  // there.
  boost::asio::awaitable<Result<OpenCore*>> adopt(CoreRecord record, bool foreign = false);
  // `kind` and `partner` are those of a core that was not known before.
  boost::asio::awaitable<Result<OpenCore*>> follow(CoreKey key, std::optional<EncryptionKey> encryption_key,
                                                   bool is_private, CoreKind kind = CoreKind::bare,
                                                   std::optional<CoreKey> partner = std::nullopt);
  // An archive that a peer has named: open, and unknown to the store until something of it was verified. One
  // that is known is opened.
  boost::asio::awaitable<Result<OpenCore*>> consider(CoreKey key);
  // Takes back consider() of a core that is still unknown to the store. Requires: as for forget().
  boost::asio::awaitable<void> drop(DiscoveryKey key);
  // The db keys of all archives, in order; opens nothing.
  boost::asio::awaitable<Result<std::vector<CoreKey>>> archives();
  boost::asio::awaitable<Result<std::optional<DiscoveryKey>>> named(std::string name);
  // Deletes it. Requires: no session has a channel of it any more.
  boost::asio::awaitable<Result<void>> forget(DiscoveryKey key);
  // Keeps on disk what the core learned about itself, e.g. that it is frozen.
  boost::asio::awaitable<Result<void>> save(OpenCore& core);

  // Every open core: after the store was reopened; before the node ends.
  boost::asio::awaitable<Result<void>> reload();
  void close();
  // Takes the marks of unsynced appends off own cores; the store must have been synced.
  boost::asio::awaitable<void> mark_synced();

 private:
  struct Entry {
    std::unique_ptr<OpenCore> core;
    std::shared_ptr<Completion<OpenCore*>> opening;  // set while it is on its way in or out; others wait
  };
  using Opening = std::shared_ptr<Completion<OpenCore*>>;
  Opening begin(const DiscoveryKey& key);
  // What was loaded takes its place. An entry that was forgotten meanwhile, or could not be loaded and is new
  // here, is gone.
  Result<OpenCore*> end(const DiscoveryKey& key, const Opening& opening, Result<OpenCore::Loaded> loaded,
                        bool is_new);

  NodeContext& node_;
  std::unordered_map<DiscoveryKey, Entry, FixedBytesHash> known_;
};

}  // namespace sheaf
