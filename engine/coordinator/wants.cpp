// What is wanted: what peers tell is judged, and what they hold that is newer is fetched.
#include <algorithm>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/coordinator/coordinator.hpp"
#include "protocol/signables.hpp"

namespace sheaf {
namespace {

using coordinator::RefusalReason;

// Wants whose cores are open at the same time; the others wait in the queue.
constexpr std::size_t active_most = 256;
// L13: what is remembered of that which peers have named.
constexpr std::size_t wants_most = 65'536;
// A claim that is not made good for so long after the channel was opened is not believed.
constexpr Duration claim_patience = std::chrono::seconds(30);
constexpr std::size_t refused_remembered = 4'096;

}  // namespace

void Coordinator::take_in(Peer& peer, CoordinatorChannel& channel) {
  for (const auto& item : channel.take_items()) consider(peer, channel, item);
  for (const auto& behind : channel.take_behind()) {
    const auto known = known_.find(slot_of(behind.key));
    if (known != known_.end() &&
        newer(behind.head.fork, behind.head.length, known->second.fork, known->second.length))
      want(peer, behind.key, behind.head);
  }
}

void Coordinator::consider(Peer& peer, CoordinatorChannel& channel, const coordinator::Item& item) {
  const Slot slot = slot_of(item.key);
  if (const auto known = known_.find(slot); known != known_.end()) {
    channel.refund_known(1);
    if (newer(item.fork, item.length, known->second.fork, known->second.length))
      want(peer, item.key, {item.fork, item.length});
    return;
  }
  if (const auto named = wants_.find(slot); named != wants_.end()) {
    channel.refund_known(1);
    return want(peer, item.key, {item.fork, item.length});
  }
  channel.refund_new(1, node_.timers.now());
  if (item.length == Length{}) return;
  if (const auto reason = refusal(item)) {
    if (peer.refused.size() < refused_remembered && peer.refused.insert(slot).second)
      channel.refuse(item.key, *reason);
    return;
  }
  if (options_.sparse || private_.contains(discovery_key(item.key))) return;
  want(peer, item.key, {item.fork, item.length});
}

std::optional<RefusalReason> Coordinator::refusal(const coordinator::Item& item) const {
  if (forgotten_.contains(discovery_key(item.key))) return RefusalReason::forgotten;
  if (item.bare) return RefusalReason::policy;  // followed only because the user said so
  if (options_.policy == Policy::allowlist) return RefusalReason::policy;
  if (known_.size() + candidates_ >= options_.max_archives) return RefusalReason::archives;
  if (candidates_ >= wants_most) return RefusalReason::later;
  return std::nullopt;
}

void Coordinator::want(Peer& peer, const CoreKey& key, coordinator::Head head) {
  const Slot slot = slot_of(key);
  const auto [at, fresh] = wants_.try_emplace(slot, Want{.key = key, .discovery_key = discovery_key(key)});
  Want& want = at->second;
  if (fresh && !known_.contains(slot)) {
    want.candidate = true;
    ++candidates_;
  }
  if (newer(head.fork, head.length, want.head.fork, want.head.length)) {
    want.head = head;
    want.moved = node_.timers.now();
  }
  peer.wants.insert(slot);
  const bool teller = want.tellers.insert(peer.session).second;
  if (node_.store_stopped && (want.state == Want::State::put_off || is_news(slot, want))) {
    put_off(slot, want);
  } else if (fresh) {
    queue_.push_back(slot);
    start_wants();
  } else if (teller && want.state == Want::State::open) {
    if (OpenCore* core = cores_.find(want.discovery_key)) want_opened(peer, slot, *core);
  }
}

void Coordinator::want_opened(Peer& peer, const Slot& slot, OpenCore& core) {
  peer.open.insert(slot);
  peer.due.insert(slot);
  peer.session->share(core, true);
  // Ours, with a history that a peer may know more of: of both cores it is asked at once.
  const auto& partner = core.record().partner;
  if (!core.uncertain() || !partner) return;
  if (OpenCore* blobs = cores_.find(discovery_key(*partner)))
    peer.session->share(*blobs, true);
  else if (cores_.knows(discovery_key(*partner)) && partners_opening_.insert(discovery_key(*partner)).second)
    node_.tasks.spawn(open_partner(discovery_key(*partner)));
}

namespace {

// The slot of the archive that the core is part of, or of a bare core itself.
Slot slot_of_whole(const OpenCore& core) { return slot_of(core.whole()); }

}  // namespace

void Coordinator::channel_moved(const CoordinatorSession& session, const OpenCore& core) {
  Peer* peer = find(session);
  if (!peer || peer->open.empty()) return;
  const Slot slot = slot_of_whole(core);
  if (peer->open.contains(slot)) peer->due.insert(slot);
}

bool Coordinator::tells(const CoordinatorSession& session, const OpenCore& core) const {
  const auto peer = peers_.find(const_cast<CoordinatorSession*>(&session));
  if (peer == peers_.end() || peer->second.wants.contains(slot_of_whole(core))) return false;
  return core.recorded() && session.shows(core.record().discovery_key) &&
         !private_.contains(core.record().discovery_key);
}

void Coordinator::want_changed(const OpenCore& core) {
  if (wants_.empty()) return;
  const Slot slot = slot_of_whole(core);
  const auto found = wants_.find(slot);
  if (found == wants_.end()) return;
  found->second.moved = node_.timers.now();
  const auto& tellers = found->second.tellers;
  for (CoordinatorSession* session : std::vector<CoordinatorSession*>(tellers.begin(), tellers.end())) {
    Peer* peer = find(*session);
    if (!peer || !peer->open.contains(slot)) continue;
    peer->due.insert(slot);
    session->look_again();
  }
}

void Coordinator::start_wants() {
  while (active_ < active_most && !queue_.empty()) {
    const Slot slot = queue_.front();
    queue_.pop_front();
    const auto found = wants_.find(slot);
    if (found == wants_.end() || found->second.state != Want::State::queued) continue;
    found->second.state = Want::State::opening;
    ++active_;
    node_.tasks.spawn(open_want(slot));
  }
  if (!wants_.empty() && !std::exchange(watching_, true)) node_.tasks.spawn(watch_wants());
}

boost::asio::awaitable<void> Coordinator::open_want(Slot slot) {
  auto found = wants_.find(slot);
  Result<OpenCore*> core = EngineErrc::not_found;
  DiscoveryKey discovery;
  if (found != wants_.end()) {
    const CoreKey key = found->second.key;
    discovery = found->second.discovery_key;
    core = co_await cores_.consider(key);
    if (!core && !cores_.knows(discovery)) core = co_await cores_.consider(key);  // it was on its way out
    found = wants_.find(slot);
  }
  // Nobody is left who told it; or it was told anew meanwhile, and another of us was faster.
  if (found == wants_.end() || found->second.state != Want::State::opening) {
    --active_;
    start_wants();
    co_await drop(discovery);
    co_return;
  }
  Want& want = found->second;
  want.state = Want::State::open;
  want.moved = node_.timers.now();
  for (CoordinatorSession* session : std::set<CoordinatorSession*>(want.tellers)) {
    Peer* peer = find(*session);
    if (!peer) continue;
    if (OpenCore* open = core ? cores_.find(discovery) : nullptr)
      want_opened(*peer, slot, *open);
    else
      end_want(*peer, slot);
    session->look_again();
  }
}

// Everything that this peer has of it is here, as far as we want it.
Coordinator::Progress Coordinator::progress(Peer& peer, const Want& want) {
  OpenCore* core = cores_.find(want.discovery_key);
  if (!core) return Progress::done;
  const CoreChannel* channel = peer.session->channel_of(*core);
  const TreeHead& head = core->local().head;
  const bool behind = newer(want.head.fork, want.head.length, head.fork, head.length);
  const bool lacks = behind || (!options_.sparse && core->local().have.count() < head.length);
  if (behind && node_.store_stopped && !core->local().frozen) return Progress::no_store;
  if (!channel && lacks && node_.timers.now() < want.moved + claim_patience) {
    peer.session->share(*core, true);  // closed meanwhile, because nothing was asked on it yet
    channel = peer.session->channel_of(*core);
  }
  if (!channel) return behind ? Progress::broken : Progress::done;
  if (!channel->is_open()) {
    if (node_.timers.now() < want.moved + claim_patience) return Progress::waiting;
    node_.tasks.spawn(close_unanswered(peer.session, want.discovery_key));
    return behind ? Progress::broken : Progress::done;
  }
  if (core->local().frozen) return Progress::done;
  if (behind && node_.timers.now() >= want.moved + claim_patience) return Progress::broken;
  if (behind) return Progress::waiting;
  if (!core->replicator().fetched(*channel)) return waits_for(*channel);
  if (const auto known = known_.find(slot_of(want.key)); known != known_.end() && !core->uncertain())
    known->second.first_try = false;
  return blobs_progress(peer, want, *core);
}

// What is still to come on the channel waits for its peer, or for the store.
Coordinator::Progress Coordinator::waits_for(const CoreChannel& channel) const {
  return node_.store_stopped && channel.remote().synced ? Progress::no_store : Progress::waiting;
}

Coordinator::Progress Coordinator::blobs_progress(Peer& peer, const Want& want, const OpenCore& db) {
  if (db.record().kind != CoreKind::archive_db || options_.sparse) return Progress::done;
  const auto& partner = db.record().partner;
  if (!partner) {
    // The header is looked at as soon as it is here.
    const bool readable = db.local().have.test(BlockIndex{0}) && db.local().manifest;
    if (!readable || without_blobs_.contains(want.discovery_key)) return Progress::done;
    return node_.store_stopped ? Progress::no_store : Progress::waiting;
  }
  const DiscoveryKey key = discovery_key(*partner);
  OpenCore* blobs = cores_.find(key);
  if (!blobs) {
    if (!cores_.knows(key) || partners_lost_.contains(key)) return Progress::done;
    if (partners_opening_.insert(key).second) node_.tasks.spawn(open_partner(key));
    return Progress::waiting;
  }
  peer.session->share(*blobs, true);
  const CoreChannel* channel = peer.session->channel_of(*blobs);
  if (!channel) {  // it has none
    peer.missing = peer.missing || blobs->local().have.count() < blobs->local().head.length;
    return Progress::done;
  }
  if (!channel->is_open()) return Progress::waiting;
  return blobs->replicator().fetched(*channel) ? Progress::done : waits_for(*channel);
}

boost::asio::awaitable<void> Coordinator::open_partner(DiscoveryKey key) {
  const auto blobs = co_await cores_.open(key);
  partners_opening_.erase(key);
  if (!blobs) partners_lost_.insert(key);
  look_everywhere();
}

void Coordinator::end_want(Peer& peer, const Slot& slot) {
  peer.wants.erase(slot);
  peer.open.erase(slot);
  peer.due.erase(slot);
  peer.put_off.erase(slot);
  const auto found = wants_.find(slot);
  if (found == wants_.end()) return;
  found->second.tellers.erase(peer.session);
  if (found->second.tellers.empty()) close_want(slot);
}

void Coordinator::close_want(const Slot& slot) {
  const auto found = wants_.find(slot);
  const Want want = std::move(found->second);
  wants_.erase(found);
  if (want.candidate) --candidates_;
  if (want.state == Want::State::open) --active_;
  if (want.state == Want::State::open || want.state == Want::State::put_off) {
    if (const OpenCore* core = cores_.find(want.discovery_key); core && !core->recorded())
      node_.tasks.spawn(drop(want.discovery_key));
  }
  start_wants();
}

// Who opens nothing in return does not have it, or does not want us to.
boost::asio::awaitable<void> Coordinator::close_unanswered(CoordinatorSession* session, DiscoveryKey key) {
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  OpenCore* core = cores_.find(key);
  if (!core || !peers_.contains(session)) co_return;
  const CoreChannel* channel = session->channel_of(*core);
  if (channel && !channel->is_open()) session->unshare(*core);
}

// A candidate that nothing came of, unless somebody wants it again.
boost::asio::awaitable<void> Coordinator::drop(DiscoveryKey discovery) {
  // Whoever found out may be in the middle of its own work with it.
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  OpenCore* core = cores_.find(discovery);
  if (!core || core->recorded() || wants_.contains(slot_of(core->local().key))) co_return;
  for (CoordinatorSession* session : sessions())
    if (peers_.contains(session)) session->unshare(*core);
  co_await cores_.drop(discovery);
}

// Heads say nothing of blocks: of what is not whole here the peer is asked, or it is tried, where the peer
// holds everything or answers no questions. Bare cores are tried with every peer, since two histories may
// have one length; of archives there can be too many.
void Coordinator::try_incomplete(Peer& peer, CoordinatorChannel& channel) {
  const bool asks = channel.answers_questions() && !channel.remote_whole();
  for (const auto& [slot, known] : known_) {
    if (!known.bare && !known.first_try && (options_.sparse || known.complete())) continue;
    if (known.length == Length{} && !known.first_try) continue;  // a newer head would have been told
    if (!peer.session->shows(known.discovery_key)) continue;
    if (asks && !known.bare && !known.first_try)
      peer.to_ask.push_back(known.key);
    else
      want(peer, known.key, {known.fork, known.length});
  }
}

void Coordinator::want_held(Peer& peer, CoordinatorChannel& channel) {
  while (!peer.to_ask.empty()) {
    const std::size_t count = std::min(peer.to_ask.size(), coordinator::elements_most);
    const auto from = peer.to_ask.end() - static_cast<std::ptrdiff_t>(count);
    if (!channel.ask({from, peer.to_ask.end()})) break;
    peer.to_ask.erase(from, peer.to_ask.end());
  }
  for (const auto& held : channel.take_held()) {
    const auto known = known_.find(slot_of(held.key));
    if (held.holding == coordinator::Holding::nothing || known == known_.end()) continue;
    want(peer, held.key, {known->second.fork, known->second.length});
  }
}

// Readers that were there before the peer.
void Coordinator::share_asked_for(Peer& peer) {
  for (OpenCore* core : cores_.open_now())
    if (core->asked_for()) peer.session->share(*core, false);
}

void Coordinator::core_wanted(OpenCore& core) {
  for (CoordinatorSession* session : sessions()) {
    if (!peers_.contains(session)) continue;
    CoordinatorChannel* channel = session->coordinator();
    if (channel && channel->state() == CoordinatorChannel::State::proved) session->share(core, false);
  }
}

void Coordinator::blobs_looked_for(const DiscoveryKey& db, bool found) {
  if (!found) without_blobs_.insert(db);
  look_everywhere();
}

// At every want of every session.
void Coordinator::look_everywhere() {
  for (CoordinatorSession* session : sessions()) {
    Peer* peer = find(*session);
    if (!peer || peer->open.empty()) continue;
    peer->due = peer->open;
    session->look_again();
  }
}

// Claims that are not made good are given up after a while.
boost::asio::awaitable<void> Coordinator::watch_wants() {
  while (!wants_.empty()) {
    const Instant look = node_.timers.now() + claim_patience / 3;
    const auto slept = co_await node_.timers.sleep_until(look);
    if (!slept) break;
    look_everywhere();
  }
  watching_ = false;
}

}  // namespace sheaf
