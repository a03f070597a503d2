// What is held and told: the elements of the bundle, and the sessions that hear of them.
#include "engine/coordinator/coordinator.hpp"

#include <algorithm>

#include "protocol/signables.hpp"
#include "sheaf/net/offload.hpp"
#include "storage/core_store.hpp"

namespace sheaf {
namespace {

using coordinator::Holding;

// Whoever passes Noise is a stranger unless it is listed or was dialled: L13 in docs/limits.md.
constexpr std::uint64_t stranger_credit = 1'024;
constexpr std::uint64_t trusted_credit = 4'096;
// So many claims that were not made good end a session.
constexpr std::size_t broken_words_most = 64;

Holding holding_of(Length held, Length length) {
  if (held == Length{}) return Holding::nothing;
  return held < length ? Holding::part : Holding::whole_db;
}

}  // namespace

struct Coordinator::OnDisk {
  struct One {
    CoreRecord record;
    Fork fork;
    Length length;
    Length held;
    bool first_try = false;
  };
  std::vector<One> cores;
  std::vector<DiscoveryKey> forgotten;
};

Coordinator::Coordinator(NodeContext& node, CoreRegistry& cores, const NodeOptions& options)
    : node_(node), cores_(cores), options_(options) {
  shown_.describe = [this](const Element& element) { return describe(element); };
  hidden_.describe = shown_.describe;
}

Result<Coordinator::OnDisk> Coordinator::read_all() const {
  OnDisk out;
  auto walk = node_.table.list();
  if (!walk) return walk.error();
  for (;;) {
    auto record = walk->next();
    if (!record) return record.error();
    if (!*record) return out;
    if ((*record)->forgotten) {
      out.forgotten.push_back((*record)->discovery_key);
      continue;
    }
    const auto contents = CoreStore::contents(node_.root, (*record)->id);
    if (!contents) return contents.error();
    OnDisk::One one;
    if (contents->head) {
      one.fork = contents->head->fork;
      one.length = contents->head->length;
    }
    one.held = contents->held;
    one.first_try = (*record)->frozen;
    if ((*record)->secret_key) {
      const auto needs = node_.table.needs_recovery((*record)->id);
      if (!needs) return needs.error();
      one.first_try = one.first_try || *needs;
    }
    one.record = std::move(**record);
    one.record.secret_key.reset();
    one.record.encryption_key.reset();
    out.cores.push_back(std::move(one));
  }
}

boost::asio::awaitable<Result<void>> Coordinator::load() {
  auto read = [this] { return read_all(); };
  auto disk = co_await offload(node_.pool, read);
  if (!disk) co_return disk.error();
  forgotten_.insert(disk->forgotten.begin(), disk->forgotten.end());
  std::unordered_map<CoreKey, const OnDisk::One*, FixedBytesHash> blobs;  // by the key of their db core
  for (const auto& one : disk->cores)
    if (one.record.kind == CoreKind::archive_blobs && one.record.partner) blobs[*one.record.partner] = &one;
  for (const auto& one : disk->cores) {
    if (one.record.is_private) private_.insert(one.record.discovery_key);
    if (one.record.kind == CoreKind::archive_blobs) continue;
    Known known;
    known.key = one.record.key;
    known.discovery_key = one.record.discovery_key;
    known.bare = one.record.kind == CoreKind::bare;
    known.fork = one.fork;
    known.length = one.length;
    known.held = one.held;
    known.first_try = one.first_try;
    if (const auto found = blobs.find(known.key); found != blobs.end()) {
      known.blobs = coordinator::Head{found->second->fork, found->second->length};
      known.blobs_held = found->second->held;
      known.first_try = known.first_try || found->second->first_try;
    }
    if (!one.record.is_private) put(known);
  }
  // Listed archives are asked for: their heads are heard of, and their keys told to nobody before they are
  // here.
  for (const CoreKey& key : options_.allow) {
    const DiscoveryKey discovery = discovery_key(key);
    if (!known_.contains(slot_of(key)) && !forgotten_.contains(discovery) && !private_.contains(discovery))
      put({.key = key, .discovery_key = discovery});
  }
  update_flags();
  co_return Result<void>();
}

void Coordinator::put(const Known& known) {
  const Slot slot = slot_of(known.key);
  const auto [at, fresh] = known_.try_emplace(slot, known);
  if (!fresh) {
    const bool counted = at->second.counted_lacking;
    at->second = known;
    at->second.counted_lacking = counted;
  }
  count_lacking(at->second);
  if (const auto found = wants_.find(slot); found != wants_.end())
    if (std::exchange(found->second.candidate, false)) --candidates_;
  shown_.elements.set(known.key, known.fork, known.length);
}

void Coordinator::remove(const CoreKey& key) {
  const auto found = known_.find(slot_of(key));
  if (found != known_.end()) {
    if (found->second.counted_lacking) --lacking_;
    known_.erase(found);
  }
  shown_.elements.remove(key);
  shown_.whole = lacking_ == 0 && !known_.empty();
}

// The flag is told with the next root: a hint, which is no reason to say one.
void Coordinator::count_lacking(Known& known) {
  const bool lacks = !known.complete();
  if (lacks && !known.counted_lacking) ++lacking_;
  if (!lacks && known.counted_lacking) --lacking_;
  known.counted_lacking = lacks;
  shown_.whole = lacking_ == 0;
}

bool Coordinator::is_listed(const PublicKey& remote) const {
  return std::ranges::find(options_.allow_peers, remote) != options_.allow_peers.end();
}

CoordinatorLocal& Coordinator::local_for(const PublicKey& remote) {
  return options_.announce == Announce::all || is_listed(remote) ? shown_ : hidden_;
}

bool Coordinator::shows(const DiscoveryKey& core, const PublicKey& remote, bool trusted) const {
  if (trusted) return true;
  return !private_.contains(core) && (options_.announce == Announce::all || is_listed(remote));
}

CoordinatorChannel::Options Coordinator::options_for(const PublicKey& remote, bool trusted) const {
  if (trusted || is_listed(remote)) return {.credit = trusted_credit, .trusted = true};
  return {.credit = stranger_credit, .trusted = false};
}

coordinator::Item Coordinator::describe(const Element& element) const {
  const Known& known = known_.at(element.slot);
  coordinator::Item out;
  out.key = known.key;
  out.fork = known.fork;
  out.length = known.length;
  out.bare = known.bare;
  out.holding = holding_of(known.held, known.length);
  if (!known.bare) {
    out.blobs = known.blobs;
    if (out.holding == Holding::whole_db && known.blobs && known.blobs_held == known.blobs->length)
      out.holding = Holding::db_and_blobs;
  }
  return out;
}

// -- Cores.

void Coordinator::core_followed(const OpenCore& core) {
  const CoreRecord& record = core.record();
  forgotten_.erase(record.discovery_key);
  if (record.is_private) {
    private_.insert(record.discovery_key);
    if (record.kind != CoreKind::archive_blobs) remove(record.key);
    return;
  }
  private_.erase(record.discovery_key);
  if (!core.recorded()) return;
  if (record.kind == CoreKind::archive_blobs) return blobs_changed(core);
  const Slot slot = slot_of(record.key);
  Known known;
  if (const auto found = known_.find(slot); found != known_.end()) known = found->second;
  known.key = record.key;
  known.discovery_key = record.discovery_key;
  known.bare = record.kind == CoreKind::bare;
  known.fork = core.local().head.fork;
  known.length = core.local().head.length;
  known.held = core.local().have.count();
  put(known);
  if (record.partner)
    if (const OpenCore* blobs = cores_.find(discovery_key(*record.partner))) blobs_changed(*blobs);
  update_flags();
}

void Coordinator::blobs_changed(const OpenCore& core) {
  if (!core.record().partner) return;
  const auto found = known_.find(slot_of(*core.record().partner));
  if (found == known_.end()) return;
  found->second.blobs = coordinator::Head{core.local().head.fork, core.local().head.length};
  found->second.blobs_held = core.local().have.count();
  count_lacking(found->second);
}

bool Coordinator::core_changed(OpenCore& core) {
  const bool fresh = element_changed(core);
  want_changed(core);
  return fresh;
}

bool Coordinator::element_changed(OpenCore& core) {
  const CoreRecord& record = core.record();
  if (record.is_private || !core.recorded()) return false;
  if (record.kind == CoreKind::archive_blobs) {
    blobs_changed(core);
    return false;
  }
  const auto found = known_.find(slot_of(record.key));
  if (found == known_.end()) {
    core_followed(core);
    raise(known_.at(slot_of(record.key)));
    return true;
  }
  Known& known = found->second;
  const bool rose = newer(core.local().head.fork, core.local().head.length, known.fork, known.length);
  known.fork = core.local().head.fork;
  known.length = core.local().head.length;
  known.held = core.local().have.count();
  count_lacking(known);
  if (!rose) return false;
  known.first_try = known.first_try || core.writable();
  shown_.elements.set(known.key, known.fork, known.length);
  raise(known);
  return false;
}

// Tells every session that does not hear of it on the core's own channel.
void Coordinator::raise(const Known& known) {
  const OpenCore* core = cores_.find(known.discovery_key);
  const Slot slot = slot_of(known.key);
  for (CoordinatorSession* session : sessions()) {
    if (!peers_.contains(session)) continue;
    CoordinatorChannel* channel = session->coordinator();
    const CoreChannel* open = core ? session->channel_of(*core) : nullptr;
    if (!channel || channel->state() != CoordinatorChannel::State::proved) continue;
    if (open && open->is_open()) continue;
    channel->element_changed(slot, node_.timers.now());
    session->look_again();
  }
}

std::vector<CoordinatorSession*> Coordinator::sessions() const {
  std::vector<CoordinatorSession*> out;
  for (const auto& [session, peer] : peers_) out.push_back(session);
  return out;
}

void Coordinator::core_forgotten(const CoreRecord& record) {
  forgotten_.insert(record.discovery_key);
  private_.erase(record.discovery_key);
  if (record.kind == CoreKind::archive_blobs) return;
  const Slot slot = slot_of(record.key);
  for (auto& [session, peer] : peers_)
    if (peer.wants.contains(slot)) end_want(peer, slot);
  remove(record.key);
  update_flags();
}

void Coordinator::update_flags() {
  const bool full = known_.size() >= options_.max_archives;
  const bool closed = options_.policy == Policy::allowlist || options_.sparse || full;
  if (std::exchange(shown_.closed, closed) == closed) return;
  for (CoordinatorSession* session : sessions()) {
    if (!peers_.contains(session)) continue;
    if (CoordinatorChannel* channel = session->coordinator()) channel->flags_changed(node_.timers.now());
    session->look_again();
  }
}

// -- Sessions.

void Coordinator::joined(CoordinatorSession& session) { peers_.emplace(&session, Peer{.session = &session}); }

void Coordinator::left(CoordinatorSession& session) {
  Peer* peer = find(session);
  if (!peer) return;
  note_refused(session);  // its refusals and its goodbye may have come in one read
  if (!peer->put_off.empty()) session.left_with_put_off();
  for (const Slot& slot : std::set<Slot>(peer->wants)) end_want(*peer, slot);
  peers_.erase(&session);
}

Coordinator::Peer* Coordinator::find(const CoordinatorSession& session) {
  const auto found = peers_.find(const_cast<CoordinatorSession*>(&session));
  return found == peers_.end() ? nullptr : &found->second;
}

void Coordinator::note_refused(CoordinatorSession& session) const {
  CoordinatorChannel* channel = session.coordinator();
  if (!channel) return;
  for (const auto& refused : channel->take_refused()) {
    // A bare core is followed by nobody who was not asked to.
    const auto known = known_.find(slot_of(refused.key));
    if (known != known_.end() && !known->second.bare) session.was_refused(refused.reason);
  }
}

// Of what is wanted no more although the peer may have more of it.
void Coordinator::refuse_rest(Peer& peer, CoordinatorChannel& channel, const Want& want) const {
  using coordinator::RefusalReason;
  const OpenCore* core = cores_.find(want.discovery_key);
  if (!core) return;
  // Which writers signed two histories is told to nobody whom nothing of it was told before.
  const bool frozen = core->local().frozen && !core->recorded();
  if (!frozen && !core->over_quota()) return;
  if (!peer.refused.insert(slot_of(want.key)).second) return;
  channel.refuse(want.key, frozen ? RefusalReason::frozen : RefusalReason::quota);
}

void Coordinator::quota_moved(const OpenCore& core) {
  if (core.over_quota()) return want_changed(core);
  // Whoever was refused is asked once more.
  for (CoordinatorSession* session : sessions()) {
    Peer* peer = find(*session);
    if (!peer || peer->refused.erase(slot_of(core.local().key)) == 0) continue;
    peer->tried = false;
    session->look_again();
  }
}

std::optional<SessionEnd> Coordinator::look(CoordinatorSession& session) {
  Peer* peer = find(session);
  CoordinatorChannel* channel = session.coordinator();
  if (!peer || !channel || channel->state() != CoordinatorChannel::State::proved) return std::nullopt;
  if (!std::exchange(peer->greeted, true)) share_asked_for(*peer);
  take_in(*peer, *channel);
  note_refused(session);
  if (channel->live() && !std::exchange(peer->tried, true)) try_incomplete(*peer, *channel);
  want_held(*peer, *channel);
  for (const Slot& slot : std::exchange(peer->due, {})) {
    const auto found = wants_.find(slot);
    if (found == wants_.end() || !peer->open.contains(slot)) continue;
    const Progress made = progress(*peer, found->second);
    if (made == Progress::broken && ++peer->broken_words >= broken_words_most) {
      channel->bye(coordinator::ByeReason::announce_flood);
      return SessionEnd::announce_flood;
    }
    if (made == Progress::no_store) put_off(slot, found->second);
    if (made == Progress::waiting || made == Progress::no_store) continue;
    refuse_rest(*peer, *channel, found->second);
    end_want(*peer, slot);
  }
  // From here on whoever reads has its channel, or has been refused one.
  if (channel->live() && !std::exchange(peer->told_first_look, true)) session.first_look_done();
  // Not before it is known what is wanted: a settled that was said too early would let the other side go
  // while something is still on its way here. What the store keeps out is refused, and so dealt with.
  // Its channels are looked through only where all depends on them: that takes longer the more there are.
  const bool wants_none = peer->wants.size() == peer->put_off.size();
  const bool asked_all = peer->tried && wants_none && peer->to_ask.empty() && channel->questions() == 0;
  const bool all = asked_all && (channel->told_settled() || node_.store_stopped || session.complete());
  channel->dealt_with(all, peer->missing);
  channel->pump(node_.timers.now());
  return std::nullopt;
}

}  // namespace sheaf
