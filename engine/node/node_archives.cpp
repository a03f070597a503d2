// The archives of a node: how one comes to be followed, and how its blobs core is found.
#include "engine/archive/archive_impl.hpp"
#include "protocol/archive_keys.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

using boost::asio::awaitable;

void Node::Impl::header_came(const DiscoveryKey& db) {
  if (closed || !headers_seen.insert(db).second) return;
  tasks.spawn(find_blobs(db));
}

awaitable<void> Node::Impl::find_blobs(DiscoveryKey db) {
  auto followed = co_await follow_blobs(db);
  if (OpenCore* core = cores.find(db)) core->look_again();
  // A header that names no blobs core will not name one later. Whatever else went wrong may go better.
  if (!followed && followed.error().category() != protocol_category()) headers_seen.erase(db);
}

awaitable<Result<void>> Node::Impl::follow_blobs(DiscoveryKey db) {
  auto core = co_await cores.open(db);
  if (!core) co_return core.error();
  Result<Buffer> block = co_await (*core)->get(BlockIndex{0}, Core::From::here);
  if (!block) co_return block.error();
  core = co_await cores.open(db);
  if (!core) co_return core.error();
  CoreRecord record = (*core)->record();
  if (!(*core)->local().manifest) co_return EngineErrc::not_available;
  auto header = decode_bee_header(*block);
  auto key = blobs_key(header ? std::optional(std::move(*header)) : std::nullopt, *(*core)->local().manifest,
                       record.key);
  if (!key) co_return key.error();
  auto blobs = co_await cores.follow(*key, record.encryption_key, record.is_private, CoreKind::archive_blobs,
                                     record.key);
  if (!blobs) co_return blobs.error();
  offer(**blobs);
  core = co_await cores.open(db);
  if (!core) co_return core.error();
  record = (*core)->record();
  record.partner = *key;
  (*core)->set_record(std::move(record));
  co_return co_await cores.save(**core);
}

awaitable<Result<std::shared_ptr<OpenArchive>>> Node::Impl::follow_archive(CoreKey key,
                                                                           FollowOptions follow) {
  if (closed) co_return EngineErrc::closed;
  const DiscoveryKey db = discovery_key(key);
  if (cores.knows(db)) {
    auto known = co_await cores.open(db);
    if (!known) co_return known.error();
    if ((*known)->record().kind != CoreKind::archive_db) co_return EngineErrc::exists;
  }
  auto core = co_await cores.follow(key, follow.encryption_key, follow.is_private, CoreKind::archive_db);
  if (!core) co_return core.error();
  offer(**core);
  if (const auto partner = (*core)->record().partner) {
    auto blobs = co_await cores.follow(*partner, follow.encryption_key, follow.is_private,
                                       CoreKind::archive_blobs, key);
    if (!blobs) co_return blobs.error();
  } else {
    // With a key that was not there before its header may be readable now.
    headers_seen.erase(db);
    (*core)->look_for_header();
  }
  co_return co_await archive(key);
}

awaitable<Result<std::shared_ptr<OpenArchive>>> Node::Impl::archive(CoreKey key) {
  if (closed) co_return EngineErrc::closed;
  const DiscoveryKey db = discovery_key(key);
  auto core = co_await cores.open(db);
  if (!core) co_return core.error();
  if ((*core)->record().kind != CoreKind::archive_db) co_return EngineErrc::not_found;
  auto& open = archives[db];
  if (!open) open = std::make_shared<OpenArchive>(cores, key, strand);
  co_return open;
}

// Opened, or made where it is not known. Its record says all that it is.
awaitable<Result<OpenCore*>> Node::Impl::own_core(CoreRecord record) {
  record.discovery_key = discovery_key(record.key);
  record.followed = true;
  const DiscoveryKey key = record.discovery_key;
  if (cores.knows(key)) {
    auto known = co_await cores.open(key);
    if (!known || (*known)->writable()) co_return known;
    // It was followed here before its secret key came.
    CoreRecord changed = (*known)->record();
    changed.secret_key = std::move(record.secret_key);
    changed.kind = record.kind;
    changed.partner = record.partner;
    (*known)->set_record(std::move(changed));
    if (auto saved = co_await cores.save(**known); !saved) co_return saved.error();
    co_return known;
  }
  auto made = co_await cores.adopt(std::move(record));
  if (made) offer(**made);
  co_return made;
}

awaitable<Result<std::shared_ptr<OpenArchive>>> Node::Impl::init_archive() {
  if (closed) co_return EngineErrc::closed;
  auto turn = co_await own_turn.take();
  if (!turn) co_return turn.error();
  Seed fresh;
  environment.random->fill(fresh.bytes());
  auto find_or_keep = [this, &fresh]() -> Result<Seed> {
    auto known = table.primary_key();
    if (!known) return known.error();
    if (*known) return std::move(**known);
    if (auto kept = table.set_primary_key(fresh); !kept) return kept.error();
    return fresh;
  };
  auto primary = co_await offload(context.pool, find_or_keep);
  if (!primary) co_return primary.error();
  const KeyPair signer = own_archive_signer(*primary);
  const Manifest manifest = default_manifest(signer.public_key);
  const CoreKey key = core_key(manifest);

  // The blobs core first: the db core names it, and is what makes the archive known.
  CoreRecord record;
  record.key = core_key(*blobs_manifest(manifest, key));
  record.secret_key = signer.secret_key;
  record.kind = CoreKind::archive_blobs;
  record.partner = key;
  auto blobs = co_await own_core(record);
  if (!blobs) co_return blobs.error();
  record.partner = std::exchange(record.key, key);
  record.kind = CoreKind::archive_db;
  auto db = co_await own_core(record);
  if (!db) co_return db.error();
  own_key = key;
  auto open = co_await archive(key);
  if (!open) co_return open.error();
  // Where a longer history may be elsewhere, the first write decides.
  db = co_await (*open)->db();
  if (db && !(*db)->uncertain())
    if (auto header = co_await (*open)->ensure_header(true); !header) co_return header.error();
  co_return open;
}

awaitable<Result<std::optional<CoreKey>>> Node::Impl::own_archive() {
  if (closed) co_return EngineErrc::closed;
  if (!own_key || !cores.knows(discovery_key(*own_key))) co_return std::optional<CoreKey>();
  co_return own_key;
}

awaitable<Result<std::vector<CoreKey>>> Node::Impl::list_archives() {
  if (closed) co_return EngineErrc::closed;
  co_return co_await cores.archives();
}

// -- The faces.

awaitable<Result<Archive>> Node::handle(awaitable<Result<std::shared_ptr<OpenArchive>>> opening) {
  auto open = co_await hop(impl_->strand, std::move(opening));
  if (!open) co_return open.error() == StorageErrc::not_found ? Error(EngineErrc::not_found) : open.error();
  co_return Archive(std::make_unique<Archive::Impl>(Archive::Impl{{impl_.get(), std::move(*open), {}}}));
}

awaitable<Result<Archive>> Node::follow_archive(CoreKey key, FollowOptions options) {
  co_return co_await handle(impl_->follow_archive(key, std::move(options)));
}

awaitable<Result<Archive>> Node::archive(CoreKey key) { co_return co_await handle(impl_->archive(key)); }

awaitable<Result<Archive>> Node::init_archive() { co_return co_await handle(impl_->init_archive()); }

awaitable<Result<std::optional<CoreKey>>> Node::own_archive() {
  co_return co_await hop(impl_->strand, impl_->own_archive());
}

awaitable<Result<std::vector<CoreKey>>> Node::archives() {
  co_return co_await hop(impl_->strand, impl_->list_archives());
}

}  // namespace sheaf
