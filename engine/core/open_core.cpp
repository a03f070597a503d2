#include "engine/core/open_core.hpp"

#include <algorithm>

#include "engine/core/held_bytes.hpp"
#include "protocol/archive_keys.hpp"
#include "protocol/flat_tree.hpp"
#include "sheaf/engine/archive_events.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {
namespace {

// Appends signed together: enough to share a hop and a write, few enough to keep a batch in the milliseconds.
constexpr std::size_t batch_items = 2048;

PublicKey signer_of(const SecretKey& key) {
  return PublicKey::from(key.bytes().subspan(32));  // libsodium's secret key ends in the public one
}

// The manifest of a core that was created here: of the one signer, or in an archive from its db core's.
std::optional<Manifest> own_manifest(const CoreRecord& record) {
  if (!record.secret_key) return std::nullopt;
  Manifest manifest = default_manifest(signer_of(*record.secret_key));
  if (record.kind != CoreKind::archive_blobs) return manifest;
  if (!record.partner) return std::nullopt;
  return blobs_manifest(manifest, *record.partner);
}

}  // namespace

Result<OpenCore::Loaded> OpenCore::load(Backend& root, CoreTable& table, CoreRecord record) {
  Loaded out;
  out.store = std::make_unique<CoreStore>(root, root, record.id);
  auto contents = out.store->open();
  if (!contents) return contents.error();
  out.local.key = record.key;
  auto conflict = out.store->conflict();
  if (!conflict) return conflict.error();
  if (*conflict) {
    out.conflict = std::move(**conflict);
    record.frozen = true;  // also when we were stopped before the record said so
  }
  out.local.frozen = record.frozen;
  if (contents->head) out.local.head = std::move(*contents->head);
  if (contents->manifest) {
    auto manifest = decode_manifest(*contents->manifest);
    if (!manifest || !check_manifest(*manifest, record.key)) return StorageErrc::damaged;
    out.local.manifest = std::move(*manifest);
  } else if (const auto own = own_manifest(record)) {
    Buffer bytes;
    encode_manifest(*own, bytes);
    CoreChange change;
    change.manifest = Bytes(bytes);
    if (auto stored = out.store->commit(change, Durable::yes); !stored) return stored.error();
    out.local.manifest = own;
  }
  auto pages = out.store->bitfield();
  if (!pages) return pages.error();
  for (const BitfieldPage& page : *pages)
    if (!out.local.have.load_page(page.page, page.bytes)) return StorageErrc::damaged;
  if (record.secret_key) {
    auto needs = table.needs_recovery(record.id);
    if (!needs) return needs.error();
    out.uncertain = *needs;
  } else {
    const BlockRange all{{}, end_of(out.local.head.length)};
    const auto keeps = held_bytes(all, out.local.have, out.local.head, *out.store);
    if (!keeps && keeps.error() != ProtocolErrc::missing_node) return keeps.error();
    out.keeps = keeps ? *keeps : out.local.head.byte_length;
  }
  out.record = std::move(record);
  return out;
}

OpenCore::OpenCore(NodeContext& node, Loaded loaded)
    : node_(node),
      store_(std::move(loaded.store)),
      local_(std::move(loaded.local)),
      uncertain_(loaded.uncertain),
      recorded_(loaded.recorded),
      replicator_(node, local_, *this) {
  set_record(std::move(loaded.record));
  if (!writable()) node_.quota.opened(whole(), part(), loaded.keeps);
  replicator_.knows_conflict(std::move(loaded.conflict));
}

void OpenCore::set_record(CoreRecord record) {
  record_ = std::move(record);
  if (record_.secret_key) {
    KeyPair signer;
    signer.public_key = signer_of(*record_.secret_key);
    signer.secret_key = *record_.secret_key;
    signer_ = std::move(signer);
  }
  if (record_.encryption_key) {
    const bool compat = local_.manifest && is_compat(*local_.manifest, local_.key);
    encryption_ = BlockEncryption::of_core(local_.key, *record_.encryption_key, compat);
  }
}

CoreInfo OpenCore::info() const {
  CoreInfo out;
  out.key = local_.key;
  out.discovery_key = record_.discovery_key;
  out.name = record_.name;
  out.writable = writable();
  out.frozen = local_.frozen;
  out.over_quota = over_quota();
  if (record_.kind == CoreKind::archive_db) out.archive = local_.key;
  if (record_.kind == CoreKind::archive_blobs) out.archive = record_.partner;
  out.fork = local_.head.fork;
  out.length = local_.head.length;
  const std::uint64_t padding = encryption_ ? block_padding.value * local_.head.length.value : 0;
  out.bytes = {local_.head.byte_length.value - std::min(padding, local_.head.byte_length.value)};
  out.local = local_.have.count();
  out.contiguous = local_.have.contiguous();
  out.peers = replicator_.open_channels();
  return out;
}

CoreTools OpenCore::tools() {
  return {*store_,          node_.table,
          record_.id,       node_.limits,
          signer_,          encryption_,
          node_.power_safe, recorded_ ? nullptr : std::make_shared<const CoreRecord>(record_)};
}

// -- The queue of work.

void OpenCore::kick() {
  if (busy_ || closed_ || (reads_.empty() && changes_.empty())) return;
  busy_ = true;
  node_.tasks.spawn(work());
}

boost::asio::awaitable<void> OpenCore::work() {
  while (!reads_.empty() || !changes_.empty()) {
    Reads reads = std::exchange(reads_, {});
    std::optional<Mutation> change;
    if (!changes_.empty()) {
      change.emplace(std::move(changes_.front()));
      changes_.pop_front();
    }
    const CoreTools tools = this->tools();
    auto batch = [&reads, &change, &local = local_, &tools] {
      do_reads(reads, local, tools);
      return change ? do_change(*change, local, tools) : Delta{};
    };
    Delta delta = co_await offload(node_.pool, batch);
    finish(reads);
    if (change) finish(*change, std::move(delta));
  }
  busy_ = false;
  idle_.notify();
}

boost::asio::awaitable<void> OpenCore::join() {
  while (busy_) co_await idle_.wait_through();
}

void OpenCore::finish(Reads& reads) {
  for (BlockRead& read : reads.blocks) read.done->set(std::move(read.block));
  for (SeekRead& read : reads.seeks) read.done->set(std::move(read.found));
  for (CoreJob& job : reads.jobs) job.done->set(local_.head.length);
  if (reads.serves.empty()) return;
  replicator_.served(reads);
  if (record_.kind == CoreKind::bare) return;
  const auto sent = std::ranges::count_if(reads.serves, [](const Serve& item) {
    return item.reply == Serve::Reply::data && item.request.parts.block;
  });
  if (sent > 0) node_.hooks.archive_moved({.link = whole(), .uploaded = {static_cast<std::uint64_t>(sent)}});
}

void OpenCore::tell_of_archive(const Mutation& change, const Delta& delta) {
  if (record_.kind == CoreKind::bare || delta.error) return;
  ArchiveEvent event{.link = whole()};
  if (record_.kind == CoreKind::archive_db) {
    event.changed = delta.head || !delta.stored.empty();
    if (delta.truncated) event.wound_back = std::max(Version{1}, *delta.truncated);
  }
  if (!std::holds_alternative<Append>(change))
    for (const BlockRange& range : delta.stored)
      event.downloaded.value += range.end.value - range.begin.value;
  if (event.changed || event.downloaded.value > 0) node_.hooks.archive_moved(event);
}

void OpenCore::finish(Mutation& change, Delta delta) {
  if (delta.error && delta.error.category() == storage_category()) {
    store_failed_ = true;
    node_.hooks.store_failed(delta.error);
  }
  if (!delta.error) apply(delta);
  if (!writable() && node_.quota.give_back(whole(), part(), delta.gone_bytes))
    node_.hooks.quota_moved(whole());
  std::visit([&](auto& one) { finish_one(one, delta); }, change);
  const bool changed = !delta.error && (delta.head || delta.manifest || delta.truncated ||
                                        !delta.stored.empty() || !delta.cleared.empty());
  if (changed) replicator_.announce(delta);
  // Two trees that were held against each other are the affair of one channel, unless they differ.
  const auto* check = std::get_if<ConflictCheck>(&change);
  if (!check || check->found_conflict()) {
    if (!delta.error) node_.hooks.core_changed(*this);
    changed_.notify();
  }
  tell_of_archive(change, delta);
  if (changed)
    replicator_.schedule();
  else
    replicator_.schedule_if_freed();
}

void OpenCore::apply(const Delta& delta) {
  if (delta.recorded) recorded_ = true;
  if (delta.manifest) {
    local_.manifest = delta.manifest;
    if (record_.encryption_key) set_record(std::move(record_));
  }
  if (delta.truncated) {
    local_.have.truncate(BlockIndex{delta.truncated->value});
    tell(
        {CoreEvent::Kind::truncated, *delta.truncated, delta.head ? delta.head->fork : local_.head.fork, {}});
  }
  if (delta.head) {
    const bool grew = delta.head->length > local_.head.length || delta.truncated;
    local_.head = *delta.head;
    if (grew) tell({CoreEvent::Kind::length_grew, local_.head.length, local_.head.fork, {}});
  }
  for (const BlockRange& range : delta.cleared) local_.have.clear(range);
  for (const BlockRange& range : delta.stored) {
    local_.have.set(range);
    tell({CoreEvent::Kind::blocks_stored, local_.head.length, local_.head.fork, range});
  }
  look_for_header();
}

void OpenCore::look_for_header() {
  if (record_.kind == CoreKind::archive_db && !record_.partner && local_.manifest &&
      local_.have.test(BlockIndex{0}))
    node_.hooks.header_came(record_.discovery_key);
}

void OpenCore::give_to_waiters(const Ingest::Item& item) {
  const auto& block = item.data.data.proof.block;
  if (!item.verdict || !block || waiters_.empty()) return;
  auto waiting = waiters_.extract(block->index.value);
  if (waiting.empty()) return;
  for (const auto& waiter : waiting.mapped()) {
    Result<Buffer> plain =
        encryption_ ? encryption_->open(block->index, block->value) : to_buffer(block->value);
    if (plain)
      waiter->set(std::optional(std::move(*plain)));
    else
      waiter->set(plain.error());
  }
}

// Of blocks that came from nobody else, because they were written here.
void OpenCore::wake_waiters(BlockRange here) {
  if (waiters_.empty()) return;
  for (BlockIndex block = here.begin; block < here.end; ++block.value)
    if (auto waiting = waiters_.extract(block.value); !waiting.empty())
      for (const auto& waiter : waiting.mapped()) waiter->set(std::optional<Buffer>());
}

void OpenCore::finish_one(ReorgStep& step, const Delta& delta) {
  if (delta.error) step.reorg.reset();
  replicator_.reorg_stepped(std::move(step), delta.head.has_value());
}

void OpenCore::finish_one(ConflictCheck& check, const Delta&) {
  // Peers are shown both trees before the session looks whether anything is left to say to them.
  replicator_.conflict_checked(check);
  if (check.found_conflict()) freeze();
}

void OpenCore::finish_one(Append& append, const Delta& delta) {
  if (!delta.error && append.new_fork) uncertain_ = false;
  for (const BlockRange& range : delta.stored) wake_waiters(range);
  for (Append::Part& part : append.parts) {
    if (delta.error)
      part.done->set(delta.error);
    else
      part.done->set(part.end);
  }
}

void OpenCore::finish_one(Truncate& truncate, const Delta& delta) {
  if (delta.error)
    truncate.done->set(delta.error);
  else
    truncate.done->set(local_.head.length);
}

void OpenCore::finish_one(Clear& clear, const Delta& delta) {
  if (delta.error)
    clear.done->set(delta.error);
  else
    clear.done->set(local_.head.length);
}

void OpenCore::freeze() {
  if (local_.frozen) return;
  local_.frozen = true;
  record_.frozen = true;
  if (!recorded_) return;  // nobody here has asked for it
  tell({CoreEvent::Kind::frozen, local_.head.length, local_.head.fork, {}});
  node_.hooks.core_frozen(local_.key);
}

void OpenCore::tell(CoreEvent event) {
  std::erase_if(events_, [&](const std::weak_ptr<Events>& watcher) {
    const auto queue = watcher.lock();
    if (queue) queue->push(event);
    return !queue;
  });
}

// -- What the replicator leaves here.

void OpenCore::reorg_step(ReorgStep step) {
  changes_.emplace_back(std::move(step));
  kick();
}

void OpenCore::conflict_check(ConflictCheck check) {
  changes_.emplace_back(std::move(check));
  kick();
}

void OpenCore::serve(std::vector<Serve> items) {
  std::ranges::move(items, std::back_inserter(reads_.serves));
  kick();
}

std::vector<BlockRange> OpenCore::wanted() const {
  std::vector<BlockRange> out;
  if (over_quota()) return out;
  if (!knows_quota()) {
    node_.hooks.partner_needed(*this);
    return out;
  }
  for (const auto& [block, waiters] : waiters_) out.push_back({{block}, {block + 1}});
  out.insert(out.end(), downloads_.begin(), downloads_.end());
  // An archive's other core is found by the header of its db core.
  if (record_.kind == CoreKind::archive_db && !record_.partner) out.push_back({{0}, {1}});
  if (!node_.sparse) out.push_back({{}, Core::no_end});
  return out;
}

// -- Calls.

boost::asio::awaitable<Result<Length>> OpenCore::append(std::vector<Buffer> blocks, bool synced) {
  if (closed_) co_return EngineErrc::closed;
  if (!writable()) co_return EngineErrc::not_writable;
  if (local_.frozen) co_return EngineErrc::frozen;
  if (store_failed_) co_return StorageErrc::poisoned;
  constexpr std::size_t block_most = 15 * 1024 * 1024;  // what Hypercore's own append takes
  for (const Buffer& block : blocks)
    if (block.size() > block_most) co_return EngineErrc::out_of_range;
  // After an unclean stop of the machine a longer history of ours may be out there. Whoever has met a peer
  // knows it; else this history goes to a fork of its own, so that no two trees are signed for one length.
  const bool recovered = uncertain_ && replicator_.met_peer();
  if (recovered) uncertain_ = false;
  auto done = std::make_shared<Completion<Length>>();
  Append* open = changes_.empty() ? nullptr : std::get_if<Append>(&changes_.back());
  if (!open || open->synced != synced || open->parts.size() >= batch_items || recovered) {
    changes_.emplace_back(
        Append{.parts = {}, .synced = synced, .new_fork = uncertain_, .recovered = recovered});
    open = &std::get<Append>(changes_.back());
  }
  open->parts.push_back({std::move(blocks), done, {}});
  kick();
  co_return co_await done->wait_through();
}

boost::asio::awaitable<Result<Buffer>> OpenCore::read_here(BlockIndex index) {
  auto done = std::make_shared<Completion<Buffer>>();
  reads_.blocks.push_back({.index = index, .done = done});
  kick();
  co_return co_await done->wait();
}

boost::asio::awaitable<Result<Buffer>> OpenCore::wait_for(BlockIndex index) {
  if (over_quota()) co_return EngineErrc::quota;
  auto done = std::make_shared<Arrival>();
  waiters_[index.value].push_back(done);
  node_.hooks.core_wanted(*this);
  replicator_.schedule();
  auto block = co_await done->wait();
  if (const auto mine = waiters_.find(index.value); mine != waiters_.end()) {
    std::erase(mine->second, done);
    if (mine->second.empty()) waiters_.erase(mine);
  }
  if (!block) co_return block.error();
  if (!*block) co_return co_await read_here(index);
  co_return std::move(**block);
}

boost::asio::awaitable<Result<Buffer>> OpenCore::get(BlockIndex index, Core::From from) {
  if (closed_) co_return EngineErrc::closed;
  if (local_.have.test(index)) {
    auto block = co_await read_here(index);
    if (block || block.error() != EngineErrc::not_available || from == Core::From::here) co_return block;
    // The state named a block whose value was lost with the machine's power: fetch it again.
    local_.have.clear(index);
  }
  if (from == Core::From::here)
    co_return index < end_of(local_.head.length) ? EngineErrc::not_available : EngineErrc::out_of_range;
  if (index >= end_of(local_.head.length) && from == Core::From::peers) {
    if (auto length = co_await update(); !length) co_return length.error();
    if (index >= end_of(local_.head.length)) co_return EngineErrc::out_of_range;
    if (local_.have.test(index)) co_return co_await read_here(index);
  }
  co_return co_await wait_for(index);
}

boost::asio::awaitable<Result<BytePosition>> OpenCore::seek(ByteCount bytes, Core::From from) {
  const ByteCount padding = encryption_ ? block_padding : ByteCount{};
  for (;;) {
    if (closed_) co_return EngineErrc::closed;
    auto done = std::make_shared<Completion<std::optional<Sought>>>();
    reads_.seeks.push_back({.bytes = bytes, .done = done});
    kick();
    auto sought = co_await done->wait();
    if (!sought) co_return sought.error();
    if (!*sought) {
      const Length before = local_.head.length;
      if (from == Core::From::here) co_return EngineErrc::out_of_range;
      if (auto length = co_await update(); !length) co_return length.error();
      if (local_.head.length == before) co_return EngineErrc::out_of_range;
      continue;
    }
    if ((*sought)->found) co_return BytePosition{(*sought)->block, (*sought)->offset};
    if (from == Core::From::here) co_return EngineErrc::not_available;
    const TreeIndex under = (*sought)->under;
    const BlockRange blocks{{flat_tree::left_span(under).value / 2},
                            {flat_tree::right_span(under).value / 2 + 1}};
    node_.hooks.core_wanted(*this);
    replicator_.ask_seek(bytes, padding, blocks);
    if (auto waited = co_await changed_.wait(); !waited) co_return waited.error();
  }
}

boost::asio::awaitable<Result<void>> OpenCore::truncate(Length length, std::optional<Fork> fork,
                                                        bool synced) {
  if (closed_) co_return EngineErrc::closed;
  if (!writable()) co_return EngineErrc::not_writable;
  if (local_.frozen) co_return EngineErrc::frozen;
  if (store_failed_) co_return StorageErrc::poisoned;
  auto done = std::make_shared<Completion<Length>>();
  changes_.emplace_back(Truncate{length, fork, synced, done});
  kick();
  if (auto result = co_await done->wait_through(); !result) co_return result.error();
  co_return Result<void>();
}

boost::asio::awaitable<Result<void>> OpenCore::clear(BlockRange blocks) {
  if (closed_) co_return EngineErrc::closed;
  if (store_failed_) co_return StorageErrc::poisoned;
  auto done = std::make_shared<Completion<Length>>();
  changes_.emplace_back(Clear{blocks, done});
  kick();
  if (auto result = co_await done->wait_through(); !result) co_return result.error();
  co_return Result<void>();
}

boost::asio::awaitable<Result<void>> OpenCore::download(BlockRange blocks) {
  const auto mine = downloads_.insert(downloads_.end(), blocks);
  node_.hooks.core_wanted(*this);
  replicator_.schedule();
  Result<void> out;
  for (;;) {
    if (closed_) {
      out = EngineErrc::closed;
      break;
    }
    const bool all_known = blocks.end <= end_of(local_.head.length);
    if (all_known && local_.have.all(blocks)) break;
    if (over_quota()) {
      out = EngineErrc::quota;
      break;
    }
    if (auto waited = co_await changed_.wait(); !waited) {
      out = waited.error();
      break;
    }
  }
  downloads_.erase(mine);
  co_return out;
}

bool OpenCore::peers_may_know_more() const { return node_.connecting > 0 || !replicator_.settled(); }

boost::asio::awaitable<Result<Length>> OpenCore::update() {
  node_.hooks.core_wanted(*this);
  while (peers_may_know_more()) {
    if (closed_) co_return EngineErrc::closed;
    auto waited = co_await changed_.wait();
    if (!waited) co_return waited.error();
  }
  co_return local_.head.length;
}

boost::asio::awaitable<Result<Length>> OpenCore::run(std::function<void(const CoreView&)> job) {
  if (closed_) co_return EngineErrc::closed;
  auto done = std::make_shared<Completion<Length>>();
  reads_.jobs.push_back({std::move(job), done});
  kick();
  co_return co_await done->wait_through();
}

boost::asio::awaitable<Result<Buffer>> OpenCore::fetch(BlockIndex index, BlockRange ahead) {
  const auto mine = downloads_.insert(downloads_.end(), ahead);
  replicator_.schedule();
  auto block = co_await get(index, Core::From::future);
  downloads_.erase(mine);
  co_return block;
}

boost::asio::awaitable<Result<void>> OpenCore::until_changed() {
  if (closed_) co_return EngineErrc::closed;
  node_.hooks.core_wanted(*this);
  co_return co_await changed_.wait();
}

std::shared_ptr<OpenCore::Events> OpenCore::watch() {
  auto queue = std::make_shared<Events>(CoreEvent{CoreEvent::Kind::gap, {}, {}, {}});
  if (closed_) queue->close();
  events_.push_back(queue);
  return queue;
}

boost::asio::awaitable<Result<void>> OpenCore::reload() {
  co_await join();
  busy_ = true;  // work that comes meanwhile waits: it would use the store that goes
  CoreRecord record = record_;
  auto read = [this, record = std::move(record)] { return load(node_.root, node_.table, record); };
  auto loaded = co_await offload(node_.pool, read);
  busy_ = false;
  idle_.notify();
  if (!loaded) {
    kick();
    co_return loaded.error();
  }
  store_ = std::move(loaded->store);
  local_ = std::move(loaded->local);
  uncertain_ = loaded->uncertain;
  if (!writable()) node_.quota.opened(whole(), part(), loaded->keeps + arriving_);
  store_failed_ = false;
  replicator_.reset_in_flight();
  replicator_.announce({});
  changed_.notify();
  kick();
  replicator_.schedule();
  look_for_header();  // what it names may have been what could not be written
  co_return Result<void>();
}

void OpenCore::close() {
  if (closed_) return;
  closed_ = true;
  for (auto& [block, waiters] : waiters_)
    for (auto& waiter : waiters) waiter->set(EngineErrc::closed);
  waiters_.clear();
  for (auto& watcher : events_)
    if (const auto queue = watcher.lock()) queue->close();
  changed_.notify();
}

}  // namespace sheaf
