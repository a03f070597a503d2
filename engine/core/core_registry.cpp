#include "engine/core/core_registry.hpp"

#include <algorithm>

#include "protocol/signables.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

boost::asio::awaitable<Result<void>> CoreRegistry::load() {
  using Keys = Result<std::vector<DiscoveryKey>>;
  auto read = [&table = node_.table]() -> Keys {
    std::vector<DiscoveryKey> out;
    auto walk = table.list();
    if (!walk) return walk.error();
    for (;;) {
      auto record = walk->next();
      if (!record) return record.error();
      if (!*record) return out;
      if (!(*record)->forgotten) out.push_back((*record)->discovery_key);
    }
  };
  Keys keys = co_await offload(node_.pool, read);
  if (!keys) co_return keys.error();
  for (const DiscoveryKey& key : *keys) known_.try_emplace(key);
  co_return Result<void>();
}

std::vector<DiscoveryKey> CoreRegistry::known() const {
  std::vector<DiscoveryKey> out;
  out.reserve(known_.size());
  for (const auto& [key, entry] : known_) out.push_back(key);
  return out;
}

std::vector<OpenCore*> CoreRegistry::open_now() const {
  std::vector<OpenCore*> out;
  for (const auto& [key, entry] : known_)
    if (entry.core) out.push_back(entry.core.get());
  return out;
}

CoreRegistry::Opening CoreRegistry::begin(const DiscoveryKey& key) {
  return known_[key].opening = std::make_shared<Completion<OpenCore*>>();
}

Result<OpenCore*> CoreRegistry::end(const DiscoveryKey& key, const Opening& opening,
                                    Result<OpenCore::Loaded> loaded, bool is_new) {
  Result<OpenCore*> out = EngineErrc::not_found;
  if (const auto entry = known_.find(key); entry != known_.end() && entry->second.opening == opening) {
    entry->second.opening.reset();
    if (loaded) {
      entry->second.core = std::make_unique<OpenCore>(node_, std::move(*loaded));
      out = entry->second.core.get();
    } else {
      out = loaded.error();
      if (is_new) known_.erase(entry);
    }
  }
  opening->set(out);
  node_.connected.notify();
  return out;
}

OpenCore* CoreRegistry::find(const DiscoveryKey& key) {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : found->second.core.get();
}

boost::asio::awaitable<Result<OpenCore*>> CoreRegistry::open(DiscoveryKey key) {
  const auto found = known_.find(key);
  if (found == known_.end()) co_return EngineErrc::not_found;
  if (found->second.core) co_return found->second.core.get();
  if (found->second.opening) {
    const auto opening = found->second.opening;
    while (!opening->is_set()) co_await node_.connected.wait_through();
    co_return co_await open(key);
  }
  const Opening opening = begin(key);
  auto read = [&node = node_, key]() -> Result<OpenCore::Loaded> {
    auto record = node.table.find(key);
    if (!record) return record.error();
    if (!*record || (*record)->forgotten) return StorageErrc::not_found;
    return OpenCore::load(node.root, node.table, std::move(**record));
  };
  auto loaded = co_await offload(node_.pool, read);
  auto out = end(key, opening, std::move(loaded), false);
  if (out) (*out)->look_for_header();
  co_return out;
}

boost::asio::awaitable<Result<OpenCore*>> CoreRegistry::adopt(CoreRecord record, bool foreign) {
  const DiscoveryKey key = record.discovery_key;
  auto add = [&node = node_, record = std::move(record), foreign]() mutable -> Result<OpenCore::Loaded> {
    auto added = node.table.add(std::move(record));
    if (!added) return added.error();
    if (foreign)
      if (auto marked = node.table.mark_foreign(added->id); !marked) return marked.error();
    return OpenCore::load(node.root, node.table, std::move(*added));
  };
  const Opening opening = begin(key);
  auto loaded = co_await offload(node_.pool, add);
  co_return end(key, opening, std::move(loaded), true);
}

boost::asio::awaitable<Result<OpenCore*>> CoreRegistry::create(std::string name, const Seed& seed) {
  auto taken = co_await named(name);
  if (!taken) co_return taken.error();
  if (*taken) co_return co_await open(**taken);
  const KeyPair signer = crypto::key_pair(seed);
  CoreRecord record;
  record.key = core_key(default_manifest(signer.public_key));
  record.discovery_key = discovery_key(record.key);
  record.name = std::move(name);
  record.secret_key = signer.secret_key;
  record.followed = true;
  co_return co_await adopt(std::move(record));
}

boost::asio::awaitable<Result<OpenCore*>> CoreRegistry::follow(CoreKey key,
                                                               std::optional<EncryptionKey> encryption_key,
                                                               bool is_private, CoreKind kind,
                                                               std::optional<CoreKey> partner) {
  const DiscoveryKey discovery = discovery_key(key);
  if (!knows(discovery)) {
    CoreRecord record;
    record.key = key;
    record.discovery_key = discovery;
    record.encryption_key = std::move(encryption_key);
    record.followed = true;
    record.is_private = is_private;
    record.kind = kind;
    record.partner = partner;
    co_return co_await adopt(std::move(record));
  }
  auto core = co_await open(discovery);
  if (!core) co_return core.error();
  CoreRecord record = (*core)->record();
  record.followed = true;
  record.is_private = is_private;
  if (encryption_key) record.encryption_key = std::move(encryption_key);
  if (!(*core)->recorded()) {
    record.kind = kind;
    record.partner = partner;
    auto add = [&node = node_, record]() -> Result<void> {
      auto added = node.table.add(record);
      // It may have proved itself meanwhile.
      if (!added && added.error() == StorageErrc::exists) return node.table.update(record);
      if (!added) return added.error();
      return {};
    };
    if (auto added = co_await offload(node_.pool, add); !added) co_return added.error();
    OpenCore* open = find(discovery);
    if (!open) co_return EngineErrc::not_found;
    open->set_record(std::move(record));
    open->set_recorded();
    co_return open;
  }
  (*core)->set_record(std::move(record));
  if (auto saved = co_await save(**core); !saved) co_return saved.error();
  co_return *core;
}

boost::asio::awaitable<Result<OpenCore*>> CoreRegistry::consider(CoreKey key) {
  CoreRecord record;
  record.key = key;
  record.discovery_key = discovery_key(key);
  record.followed = true;
  record.kind = CoreKind::archive_db;
  auto prepare = [&node = node_, record]() mutable -> Result<OpenCore::Loaded> {
    auto id = node.table.reserve_id();
    if (!id) return id.error();
    record.id = *id;
    auto loaded = OpenCore::load(node.root, node.table, std::move(record));
    if (loaded) loaded->recorded = false;
    return loaded;
  };
  const DiscoveryKey discovery = record.discovery_key;
  if (knows(discovery)) co_return co_await open(discovery);
  const Opening opening = begin(discovery);
  auto loaded = co_await offload(node_.pool, prepare);
  co_return end(discovery, opening, std::move(loaded), true);
}

boost::asio::awaitable<void> CoreRegistry::drop(DiscoveryKey key) {
  const auto found = known_.find(key);
  if (found == known_.end() || !found->second.core || found->second.core->recorded()) co_return;
  // Nobody opens it anew before its last batch has ended.
  const Opening going = begin(key);
  const std::unique_ptr<OpenCore> core = std::move(found->second.core);
  core->close();
  co_await core->join();
  core->leave_quota();
  if (const auto entry = known_.find(key); entry != known_.end() && entry->second.opening == going) {
    entry->second.opening.reset();
    if (!core->recorded()) known_.erase(entry);  // else it proved itself on the way out
  }
  going->set(EngineErrc::not_found);
  node_.connected.notify();
}

boost::asio::awaitable<Result<std::vector<CoreKey>>> CoreRegistry::archives() {
  using Keys = Result<std::vector<CoreKey>>;
  auto read = [&table = node_.table]() -> Keys {
    std::vector<CoreKey> out;
    auto walk = table.list();
    if (!walk) return walk.error();
    for (;;) {
      auto record = walk->next();
      if (!record) return record.error();
      if (!*record) break;
      if (!(*record)->forgotten && (*record)->kind == CoreKind::archive_db) out.push_back((*record)->key);
    }
    std::ranges::sort(out);
    return out;
  };
  co_return co_await offload(node_.pool, read);
}

boost::asio::awaitable<Result<std::optional<DiscoveryKey>>> CoreRegistry::named(std::string name) {
  using Found = Result<std::optional<DiscoveryKey>>;
  auto find = [&table = node_.table, name = std::move(name)]() -> Found {
    auto record = table.find(name);
    if (!record) return record.error();
    if (!*record || (*record)->forgotten) return std::optional<DiscoveryKey>();
    return std::optional((*record)->discovery_key);
  };
  co_return co_await offload(node_.pool, find);
}

boost::asio::awaitable<Result<void>> CoreRegistry::forget(DiscoveryKey key) {
  const auto found = known_.find(key);
  if (found == known_.end()) co_return EngineErrc::not_found;
  std::unique_ptr<OpenCore> core = std::move(found->second.core);
  known_.erase(found);
  if (core) {
    core->close();
    co_await core->join();
    core->leave_quota();
  }
  auto erase = [&table = node_.table, key] { return table.forget(key); };
  co_return co_await offload(node_.pool, erase);
}

boost::asio::awaitable<Result<void>> CoreRegistry::save(OpenCore& core) {
  CoreRecord record = core.record();
  auto update = [&table = node_.table, record = std::move(record)] { return table.update(record); };
  co_return co_await offload(node_.pool, update);
}

boost::asio::awaitable<Result<void>> CoreRegistry::reload() {
  Result<void> out;
  for (const DiscoveryKey& key : known()) {
    OpenCore* core = find(key);
    if (!core) continue;
    if (auto reloaded = co_await core->reload(); !reloaded) out = reloaded;
  }
  co_return out;
}

void CoreRegistry::close() {
  for (auto& [key, entry] : known_)
    if (entry.core) entry.core->close();
}

boost::asio::awaitable<void> CoreRegistry::mark_synced() {
  std::vector<CoreId> own;
  for (auto& [key, entry] : known_)
    if (entry.core && entry.core->writable()) own.push_back(entry.core->record().id);
  auto mark = [&table = node_.table, own = std::move(own)] {
    for (const CoreId id : own)
      if (!table.mark_synced(id)) return;  // the mark stays: the next start is the more careful
  };
  co_await offload(node_.pool, mark);
}

}  // namespace sheaf
