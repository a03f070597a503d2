// What becomes of wants while the store takes nothing: they are put off, and whoever told them hears why.
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/coordinator/coordinator.hpp"

namespace sheaf {
namespace {

using coordinator::RefusalReason;

// Of a session: as many archives as may be wanted at a time (L13).
constexpr std::size_t told_disk_most = 65'536;

}  // namespace

// Its head would have to be stored.
bool Coordinator::is_news(const Slot& slot, const Want& want) const {
  const auto known = known_.find(slot);
  return known == known_.end() ||
         newer(want.head.fork, want.head.length, known->second.fork, known->second.length);
}

// It gives its place to others: one of them may be found to need nothing of the store.
void Coordinator::put_off(const Slot& slot, Want& want) {
  if (std::exchange(want.state, Want::State::put_off) == Want::State::open) --active_;
  for (CoordinatorSession* session : want.tellers) {
    Peer* peer = find(*session);
    if (!peer || !peer->put_off.insert(slot).second) continue;
    peer->open.erase(slot);
    peer->due.erase(slot);
    CoordinatorChannel* channel = session->coordinator();
    if (channel && peer->told_disk.size() < told_disk_most && peer->told_disk.insert(slot).second)
      channel->refuse(want.key, RefusalReason::disk);
  }
  look_soon();
}

void Coordinator::look_soon() {
  if (!std::exchange(look_posted_, true)) node_.tasks.spawn(look_at_all());
}

// One session may be in the middle of its own look, and others have been refused something by it.
boost::asio::awaitable<void> Coordinator::look_at_all() {
  co_await boost::asio::post(node_.strand, boost::asio::use_awaitable);
  look_posted_ = false;
  start_wants();
  for (CoordinatorSession* session : sessions())
    if (peers_.contains(session)) session->look_again();
}

void Coordinator::store_stopped() {
  for (auto& [slot, want] : wants_)
    if (want.state != Want::State::open && is_news(slot, want)) put_off(slot, want);
  // Those that are open are judged one by one: they may have come to their end.
  for (auto& [session, peer] : peers_) peer.due = peer.open;
  look_soon();
}

void Coordinator::store_healed() {
  for (auto& [session, peer] : peers_) peer.put_off.clear();
  for (auto& [slot, want] : wants_) {
    if (want.state != Want::State::put_off) continue;
    want.state = Want::State::queued;
    queue_.push_back(slot);
  }
  look_soon();
}

bool Coordinator::has_put_off(CoordinatorSession& session) const {
  const auto found = peers_.find(&session);
  return found != peers_.end() && !found->second.put_off.empty();
}

}  // namespace sheaf
