#include "engine/node/node_impl.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/archive/open_archive.hpp"
#include "net/dialer.hpp"
#include "protocol/archive_keys.hpp"
#include "protocol/crypto.hpp"
#include "protocol/signables.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {
namespace {

// How long after a failed write the store is tried again, how long at most between tries, and how long it has
// to do well before the next failure counts as a new one.
constexpr Duration reopen_first = std::chrono::milliseconds(500);
constexpr Duration reopen_most = std::chrono::seconds(10);
constexpr Duration reopen_healed = std::chrono::seconds(30);

constexpr Duration dial_limit = std::chrono::seconds(10);

// The remote's name without scheme and port: those of one host count together.
std::string host_of(const std::string& remote) {
  const auto scheme = remote.find("//");
  const std::size_t begin = scheme == remote.npos ? 0 : scheme + 2;
  return remote.substr(begin, remote.rfind(':') - begin);
}

}  // namespace

Node::Impl::Impl(Environment environment_, NodeOptions options_, Backend& root_,
                 std::unique_ptr<Backend> owned)
    : environment(environment_),
      options(std::move(options_)),
      strand(boost::asio::make_strand(environment.executor)),
      owned_root(std::move(owned)),
      root(root_),
      table(root, root, environment.boot_id),
      slabs(options.limits),
      admission(options.limits, *environment.timers),
      own_dialer(environment.dialer
                     ? nullptr
                     : std::make_unique<TcpDialer>(strand, *environment.timers, dial_limit, options.limits)),
      dialer(environment.dialer ? environment.dialer : own_dialer.get()),
      tasks(strand),
      connections(strand),
      context{.strand = strand,
              .timers = *environment.timers,
              .pool = *environment.pool,
              .random = *environment.random,
              .limits = options.limits,
              .tasks = tasks,
              .slabs = slabs,
              .root = root,
              .table = table,
              .hooks = *this,
              .sparse = options.sparse,
              .power_safe = options.durability == Durability::power,
              .quota = Quota(options.quota_archive)},
      cores(context),
      bundle(context, cores, options),
      events(NodeEvent{NodeEvent::Kind::gap, {}, {}, {}, {}}),
      own_turn(strand),
      banned(options.limits) {
  watch_memory();
}

boost::asio::awaitable<Result<void>> Node::Impl::start() {
  Seed fresh;
  environment.random->fill(fresh.bytes());
  auto read = [this, &fresh]() -> Result<Seed> {
    if (auto opened = table.open(); !opened) return opened.error();
    auto primary = table.primary_key();
    if (!primary) return primary.error();
    if (*primary) own_key = core_key(default_manifest(own_archive_signer(**primary).public_key));
    auto known = table.identity();
    if (!known) return known.error();
    if (*known) return **known;
    if (auto kept = table.set_identity(fresh); !kept) return kept.error();
    return fresh;
  };
  auto seed = co_await offload(*environment.pool, read);
  if (!seed) co_return seed.error();
  identity = crypto::key_pair(*seed);
  if (auto loaded = co_await cores.load(); !loaded) co_return loaded.error();
  co_return co_await bundle.load();
}

bool Node::Impl::admits(const PublicKey& remote) const {
  if (banned.bans(remote, environment.timers->now())) return false;
  return options.allow_peers.empty() ||
         std::ranges::find(options.allow_peers, remote) != options.allow_peers.end();
}

void Node::Impl::session_began(Session& session) { sessions.push_back(&session); }

void Node::Impl::session_secured(Session& session) {
  events.push({NodeEvent::Kind::session_started, session.remote(), session.remote_key(), {}, {}});
}

void Node::Impl::session_over(Session& session, const SessionSummary& summary) {
  sessions.remove(&session);
  if (summary.reason == SessionEnd::invalid_proof && summary.remote_key)
    banned.add(*summary.remote_key, environment.timers->now());
  events.push({NodeEvent::Kind::session_ended, session.remote(), summary.remote_key, {}, summary});
}

void Node::Impl::core_frozen(const CoreKey& key) {
  events.push({NodeEvent::Kind::core_frozen, {}, {}, key, {}});
  if (!closed) tasks.spawn(save_frozen(discovery_key(key)));
}

boost::asio::awaitable<void> Node::Impl::save_frozen(DiscoveryKey key) {
  if (OpenCore* core = cores.find(key)) co_await cores.save(*core);
}

// Slabs are given back on any thread; sessions that waited for one are asked again on the strand.
void Node::Impl::watch_memory() {
  slabs.on_room([strand = strand, weak = std::weak_ptr<Impl*>(alive)] {
    boost::asio::post(strand, [weak] {
      if (const auto node = weak.lock()) (*node)->memory_came_back();
    });
  });
}

void Node::Impl::memory_came_back() {
  for (Session* session : sessions) session->wake();
}

// L3: the process's budget for frames is spent and somebody waits: the slowest large frame is given up. Not
// at once, because whoever found out may be in the middle of its own work.
void Node::Impl::memory_spent() {
  boost::asio::post(strand, [weak = std::weak_ptr<Impl*>(alive)] {
    const auto node = weak.lock();
    if (!node || !(*node)->slabs.spent()) return;
    const auto slowest = (*node)->slabs.slowest((*node)->environment.timers->now());
    for (Session* session : (*node)->sessions)
      if (slowest && session->account_id() == *slowest) return session->give_up_frame();
  });
}

// A full disk is no passing trouble, and neither is what comes again soon after it was mended.
void Node::Impl::store_failed(Error error) {
  if (closed) return;
  const bool again = context.timers.now() < healed_at;
  if (!reopening && !again) stop_told = false;
  if (error == StorageErrc::full || again) store_stopped(error);
  if (!std::exchange(reopening, true)) tasks.spawn(reopen_store());
}

// Whoever found out is in the middle of its own work.
void Node::Impl::store_stopped(Error why) {
  if (std::exchange(context.store_stopped, true)) return;
  if (!std::exchange(stop_told, true)) events.push({NodeEvent::Kind::store_stopped, {}, {}, {}, {}, why});
  boost::asio::post(strand, [weak = std::weak_ptr<Impl*>(alive)] {
    const auto node = weak.lock();
    if (node && !(*node)->closed && (*node)->context.store_stopped) (*node)->bundle.store_stopped();
  });
}

void Node::Impl::store_healed() {
  if (!std::exchange(context.store_stopped, false)) return;
  for (OpenCore* core : cores.open_now()) core->store_healed();
  bundle.store_healed();
}

// A failed write has poisoned the store. It is closed and opened again, and the cores read what they really
// hold. More and more rarely while that fails (a full disk refuses it), or while the store fails again soon
// (there is room, but not for the next block): each time peers would send us all that was under way anew.
boost::asio::awaitable<void> Node::Impl::reopen_store() {
  if (context.timers.now() >= healed_at) reopen_pause = reopen_first;
  while (!closed) {
    if (!co_await context.timers.sleep_until(context.timers.now() + reopen_pause)) break;
    reopen_pause = std::min(reopen_pause * 2, reopen_most);
    auto reopen = [this] { return root.reopen(); };
    auto reopened = co_await offload(context.pool, reopen);
    if (reopened) reopened = co_await cores.reload();
    if (reopened) break;
    store_stopped(reopened.error());
  }
  healed_at = context.timers.now() + reopen_healed;
  reopening = false;
  if (!closed) store_healed();
}

boost::asio::awaitable<Result<Address>> Node::Impl::listen(Address address) {
  if (closed) co_return EngineErrc::closed;
  const UpgradePolicy policy{.path = {}, .hosts = options.web_hosts, .origins = options.web_origins};
  auto listener = co_await TcpListener::listen(address, context.timers, admission, &policy);
  if (!listener) co_return listener.error();
  const Address local = (*listener)->local();
  listeners.push_back(std::move(*listener));
  connections.spawn(accept_loop(*listeners.back()));
  co_return local;
}

boost::asio::awaitable<void> Node::Impl::accept_loop(Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream) break;
    connections.spawn(serve(std::move(*stream)));
  }
  std::erase_if(listeners, [&](const auto& each) { return each.get() == &listener; });
}

boost::asio::awaitable<Result<void>> Node::Impl::stop_listening(Address address) {
  const auto found =
      std::ranges::find(listeners, address, [](const auto& listener) { return listener->local(); });
  if (found == listeners.end()) co_return EngineErrc::not_found;
  (*found)->close();
  co_return Result<void>{};
}

boost::asio::awaitable<void> Node::Impl::serve(std::unique_ptr<ByteStream> stream) {
  co_await run_session(std::move(stream), false, Until::ended, false);
}

namespace {

boost::asio::awaitable<void> keep(boost::asio::awaitable<Result<SessionSummary>> work,
                                  std::optional<Result<SessionSummary>>& out) {
  out.emplace(co_await std::move(work));
}

}  // namespace

boost::asio::awaitable<Result<SessionSummary>> Node::Impl::as_guest(
    boost::asio::awaitable<Result<SessionSummary>> work) {
  if (closed) co_return EngineErrc::closed;
  std::optional<Result<SessionSummary>> out;
  TaskGroup group(strand);
  const auto place = guests.insert(guests.end(), &group);
  group.spawn(keep(std::move(work), out));
  co_await group.join_or_cancel();
  guests.erase(place);
  guest_left.notify();
  co_return std::move(*out);
}

boost::asio::awaitable<Result<SessionSummary>> Node::Impl::replicate(std::unique_ptr<ByteStream> stream,
                                                                     bool initiator, Until until) {
  co_return co_await as_guest(run_session(std::move(stream), initiator, until, true));
}

boost::asio::awaitable<Result<SessionSummary>> Node::Impl::run_session(std::unique_ptr<ByteStream> stream,
                                                                       bool initiator, Until until,
                                                                       bool trusted) {
  if (closed) co_return EngineErrc::closed;
  ByteStream& raw = *stream;
  Session* self = nullptr;
  std::optional<Admission::HalfOpen> half_open;
  if (!initiator) half_open.emplace(admission.half_open(host_of(raw.remote()), raw));
  Session::Options session_options;
  session_options.role = initiator ? Role::initiator : Role::responder;
  session_options.identity = identity;
  session_options.admits = [this](const PublicKey& remote) { return admits(remote); };
  session_options.until = until;
  session_options.trusted = trusted;
  session_options.secured = [this, &self, &half_open] {
    half_open.reset();
    session_secured(*self);
  };
  Session session(context, cores, bundle, std::move(stream), std::move(session_options));
  self = &session;
  session_began(session);
  SessionSummary summary = co_await session.run();
  if (half_open && half_open->displaced()) summary.reason = SessionEnd::refused_by_limit;
  half_open.reset();
  session_over(session, summary);
  co_return summary;
}

boost::asio::awaitable<Result<SessionSummary>> Node::Impl::connect(Address address, Until until) {
  co_return co_await as_guest(run_link(std::move(address), until));
}

boost::asio::awaitable<Result<SessionSummary>> Node::Impl::run_link(Address address, Until until) {
  Link link(context, cores, bundle, *dialer, *this, std::move(address), identity,
            [this](const PublicKey& remote) { return admits(remote); });
  co_return co_await link.run(until);
}

void Node::Impl::offer(OpenCore& core) {
  bundle.core_followed(core);
  for (Session* session : sessions) session->offer(core);
}

void Node::Impl::ask_for(OpenCore& core) {
  offer(core);
  bundle.core_wanted(core);
}

boost::asio::awaitable<Result<OpenCore*>> Node::Impl::create_core(std::string name) {
  if (closed) co_return EngineErrc::closed;
  Seed seed;
  environment.random->fill(seed.bytes());
  auto core = co_await cores.create(std::move(name), seed);
  if (core) offer(**core);
  co_return core;
}

boost::asio::awaitable<Result<OpenCore*>> Node::Impl::follow(CoreKey key, FollowOptions follow) {
  if (closed) co_return EngineErrc::closed;
  auto core = co_await cores.follow(key, std::move(follow.encryption_key), follow.is_private);
  if (core) ask_for(**core);
  co_return core;
}

boost::asio::awaitable<Result<void>> Node::Impl::forget(CoreKey key, bool own_too) {
  if (closed) co_return EngineErrc::closed;
  auto core = co_await cores.open(discovery_key(key));
  if (!core) co_return core.error();
  if ((*core)->writable() && !own_too) co_return EngineErrc::refused;
  const CoreRecord record = (*core)->record();
  if (record.kind == CoreKind::archive_blobs) co_return EngineErrc::refused;  // it goes with its archive
  if (own_key == key) {
    // With its history the right to write it goes: a second history under the same key would be a conflict.
    auto erase = [this] { return table.erase_primary_key(); };
    if (auto erased = co_await offload(context.pool, erase); !erased) co_return erased.error();
    own_key.reset();
  }
  for (Session* session : sessions) session->unshare(**core);
  archives.erase(record.discovery_key);
  bees.erase(record.discovery_key);
  if (record.kind == CoreKind::archive_db) news.tell({.link = key, .removed = true});
  headers_seen.erase(record.discovery_key);
  bundle.core_forgotten(record);
  if (auto gone = co_await cores.forget(record.discovery_key); !gone) co_return gone.error();
  if (record.kind != CoreKind::archive_db || !record.partner) co_return Result<void>();
  auto blobs = co_await cores.open(discovery_key(*record.partner));
  if (!blobs) co_return blobs.error() == EngineErrc::not_found ? Result<void>() : blobs.error();
  // A core that was followed for its own sake before stays.
  if ((*blobs)->record().kind != CoreKind::archive_blobs) co_return Result<void>();
  for (Session* session : sessions) session->unshare(**blobs);
  co_return co_await cores.forget(discovery_key(*record.partner));
}

boost::asio::awaitable<Result<void>> Node::Impl::end_sessions(std::optional<std::string> remote) {
  bool found = !remote;
  for (Session* session : std::list<Session*>(sessions)) {
    if (remote && session->remote() != *remote) continue;
    session->close();
    found = true;
  }
  if (!found) co_return EngineErrc::not_found;
  co_return Result<void>();
}

boost::asio::awaitable<Result<std::vector<CoreInfo>>> Node::Impl::list_cores() {
  if (closed) co_return EngineErrc::closed;
  std::vector<CoreInfo> out;
  for (const DiscoveryKey& key : cores.known()) {
    auto core = co_await cores.open(key);
    if (!core) co_return core.error();
    if ((*core)->recorded()) out.push_back((*core)->info());
  }
  std::ranges::sort(out, {}, &CoreInfo::key);
  co_return out;
}

boost::asio::awaitable<Result<void>> Node::Impl::sync() {
  auto sync_root = [this] { return root.sync(); };
  co_return co_await offload(context.pool, sync_root);
}

boost::asio::awaitable<void> Node::Impl::close() {
  if (closed) co_return;
  closed = true;
  for (auto& listener : listeners) listener->close();
  for (Session* session : std::list<Session*>(sessions)) session->close();
  connections.cancel();
  for (TaskGroup* guest : std::list<TaskGroup*>(guests)) guest->cancel();
  co_await connections.join();
  while (!guests.empty()) co_await guest_left.wait_through();
  own_turn.close();
  for (const auto& [key, archive] : archives) {
    archive->entries_turn.close();
    archive->contents_turn.close();
  }
  for (const auto& [key, bee] : bees) bee->entries_turn.close();
  cores.close();
  tasks.cancel();
  co_await tasks.join();
  // Nothing is on the pool any more; what it posted before has its turn first.
  slabs.on_room({});
  co_await boost::asio::post(strand, boost::asio::use_awaitable);
  if (!root.poisoned() && co_await sync()) co_await cores.mark_synced();
  events.close();
  news.close();
  auto close_root = [this] { return owned_root ? owned_root->close() : Result<void>(); };
  co_await offload(context.pool, close_root);
}

}  // namespace sheaf
