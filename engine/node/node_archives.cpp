// The archives of a node: how one comes to be followed, and how its blobs core is found.
#include <boost/asio/post.hpp>

#include "engine/archive/archive_impl.hpp"
#include "protocol/archive_keys.hpp"
#include "protocol/signables.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

using boost::asio::awaitable;

void Node::Impl::archive_moved(const ArchiveEvent& event) { news.tell(event); }

awaitable<Result<std::shared_ptr<ArchiveNews::Reader>>> Node::Impl::watch_archives() {
  if (closed) co_return EngineErrc::closed;
  co_return news.watch();
}

// An archive that peers told of is one of ours with the first block that holds.
void Node::Impl::core_changed(OpenCore& core) {
  if (!bundle.core_changed(core)) return;
  if (core.record().kind == CoreKind::archive_db) news.tell({.link = core.local().key, .added = true});
  for (Session* session : std::list<Session*>(sessions)) session->offer(core);
}

// Whoever finds out is in the middle of its own work.
void Node::Impl::quota_moved(const CoreKey& archive) {
  boost::asio::post(strand, [weak = std::weak_ptr<Impl*>(alive), archive] {
    if (const auto node = weak.lock(); node && !(*node)->closed) (*node)->tell_of_quota(archive);
  });
}

void Node::Impl::tell_of_quota(const CoreKey& archive) {
  OpenCore* db = cores.find(discovery_key(archive));
  if (!db) return;
  const bool full = db->over_quota();
  if (full && db->recorded()) events.push({NodeEvent::Kind::quota_reached, {}, {}, archive, {}});
  db->quota_moved();
  if (const auto& partner = db->record().partner)
    if (OpenCore* blobs = cores.find(discovery_key(*partner))) blobs->quota_moved();
  bundle.quota_moved(*db);
}

void Node::Impl::partner_needed(const OpenCore& core) {
  if (closed || !partners_opening.insert(core.record().discovery_key).second) return;
  tasks.spawn(open_partner(core.record().discovery_key, *core.record().partner));
}

awaitable<void> Node::Impl::open_partner(DiscoveryKey of, CoreKey partner) {
  [[maybe_unused]] const auto opened = co_await cores.open(discovery_key(partner));
  partners_opening.erase(of);
  OpenCore* core = cores.find(of);
  if (!core) co_return;
  // It cannot be read, or is followed for its own sake: nothing of it counts for this archive.
  const bool of_contents = core->record().kind == CoreKind::archive_blobs;
  const Quota::Part other = of_contents ? Quota::Part::entries : Quota::Part::contents;
  if (!context.quota.counts(core->whole(), other)) context.quota.opened(core->whole(), other, {});
  core->quota_moved();
}

void Node::Impl::header_came(const DiscoveryKey& db) {
  if (closed || !headers_seen.insert(db).second) return;
  tasks.spawn(find_blobs(db));
}

awaitable<void> Node::Impl::find_blobs(DiscoveryKey db) {
  auto followed = co_await follow_blobs(db);
  if (OpenCore* core = cores.find(db)) core->look_again();
  const bool hopeless = !followed && followed.error().category() == protocol_category();
  bundle.blobs_looked_for(db, !hopeless);
  // A header that names no blobs core will not name one later. Whatever else went wrong may go better.
  if (!followed && !hopeless) headers_seen.erase(db);
  if (!followed && (root.poisoned() || followed.error() == StorageErrc::full)) store_failed(followed.error());
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
  core = co_await cores.open(db);
  if (!core) co_return core.error();
  record = (*core)->record();
  record.partner = *key;
  (*core)->set_record(std::move(record));
  if (auto saved = co_await cores.save(**core); !saved) {
    if (OpenCore* open = cores.find(db)) {
      record = open->record();
      record.partner.reset();  // or nobody would look for it again
      open->set_record(std::move(record));
    }
    co_return saved.error();
  }
  // Its blocks come only now that the record says whose they are: routes by archive ask it.
  blobs = co_await cores.open(discovery_key(*key));
  if (!blobs) co_return blobs.error();
  offer(**blobs);
  co_return Result<void>();
}

awaitable<Result<std::shared_ptr<OpenArchive>>> Node::Impl::follow_archive(CoreKey key,
                                                                           FollowOptions follow) {
  if (closed) co_return EngineErrc::closed;
  const DiscoveryKey db = discovery_key(key);
  const bool fresh = !cores.knows(db);
  if (!fresh) {
    auto known = co_await cores.open(db);
    if (!known) co_return known.error();
    if ((*known)->record().kind != CoreKind::archive_db) co_return EngineErrc::exists;
  }
  auto core = co_await cores.follow(key, follow.encryption_key, follow.is_private, CoreKind::archive_db);
  if (!core) co_return core.error();
  ask_for(**core);
  if (fresh) news.tell({.link = key, .added = true});
  if (const auto partner = (*core)->record().partner) {
    auto blobs = co_await cores.follow(*partner, follow.encryption_key, follow.is_private,
                                       CoreKind::archive_blobs, key);
    if (!blobs) co_return blobs.error();
    offer(**blobs);
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
  if (!open) open = std::make_shared<OpenArchive>(cores, decoded, key, strand);
  co_return open;
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

awaitable<Result<std::vector<CoreKey>>> Node::archives() {
  co_return co_await hop(impl_->strand, impl_->list_archives());
}

awaitable<Result<ArchiveEvents>> Node::watch_archives() {
  auto reader = co_await hop(impl_->strand, impl_->watch_archives());
  if (!reader) co_return reader.error();
  co_return ArchiveEvents(
      std::make_unique<ArchiveEvents::Impl>(ArchiveEvents::Impl{impl_.get(), std::move(*reader)}));
}

ArchiveEvents::ArchiveEvents(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveEvents::ArchiveEvents(ArchiveEvents&&) noexcept = default;
ArchiveEvents& ArchiveEvents::operator=(ArchiveEvents&&) noexcept = default;
ArchiveEvents::~ArchiveEvents() = default;

awaitable<Result<ArchiveEvent>> ArchiveEvents::next() {
  co_return co_await hop(impl_->node->strand, impl_->reader->next());
}

}  // namespace sheaf
