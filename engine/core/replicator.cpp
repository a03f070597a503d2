#include "engine/core/replicator.hpp"

#include <algorithm>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// Requests in flight on one channel: at first, and at most (what a Node peer and we ourselves take, L8).
constexpr std::size_t window_most = 1024;
// Answers in one batch at most.
constexpr std::size_t serve_most = 1024;
// A peer whose answers keep leading to nodes that we do not hold is not asked again.
constexpr std::size_t missing_nodes_most = 32;

}  // namespace

Replicator::Replicator(NodeContext& node, const LocalCore& local, ReplicatorOwner& owner)
    : node_(node), local_(local), owner_(owner) {}

void Replicator::attach(CoreChannel& channel, SessionPort& session) {
  const AttachmentId id = next_id_++;
  Attachment& attachment =
      attachments_.emplace(id, Attachment{.id = id, .channel = &channel, .session = &session}).first->second;
  by_channel_.emplace(&channel, &attachment);
}

void Replicator::opened(CoreChannel& channel) {
  for (const Buffer& tree : conflict_) channel.show_tree(tree);
}

void Replicator::detach(CoreChannel& channel) {
  Attachment* attachment = find(channel);
  if (!attachment) return;
  take_data(*attachment);  // what came with the end of the channel, or it would count as asked for ever
  attachment = find(channel);
  if (!attachment) return;
  channel.close();
  const AttachmentId id = attachment->id;
  for (const Asked& asked : channel.take_unanswered()) give_back(asked, id);
  by_channel_.erase(&channel);
  attachments_.erase(id);
  if (upgrading_ == id) {  // it has answered, and that is not verified yet
    upgrading_.reset();
    freed_ = true;
  }
  if (reorg_asked_ == id) {  // ask another
    reorg_asked_.reset();
    continue_reorg();
  }
  owner_.peers_changed();
  schedule_if_freed();
}

Replicator::Attachment* Replicator::find(const CoreChannel& channel) const {
  const auto found = by_channel_.find(&channel);
  return found == by_channel_.end() ? nullptr : found->second;
}

std::vector<AttachmentId> Replicator::ids() const {
  std::vector<AttachmentId> out;
  for (const auto& [id, attachment] : attachments_) out.push_back(id);
  return out;
}

Replicator::Attachment* Replicator::find(AttachmentId id) {
  const auto found = attachments_.find(id);
  return found == attachments_.end() ? nullptr : &found->second;
}

void Replicator::process(CoreChannel& channel) {
  Attachment* attachment = find(channel);
  if (!attachment) return;
  take_data(*attachment);
  take_requests(*attachment);
  bool look = false;
  for (const Asked& asked : channel.take_unanswered()) {
    give_back(asked, attachment->id);
    if (asked.purpose == Purpose::conflict) {
      if (attachment->on_trial) return attachment->session->end(SessionEnd::invalid_proof);
      attachment->conflict_asked = false;  // it shows no tree: there is nothing to wait for
    }
    if (asked.purpose == Purpose::reorg && reorg_asked_ == attachment->id) end_reorg();
    look = true;
  }
  if (channel.take_remote_changed()) {
    look = true;
    note_met(*attachment);
    compare_with(*attachment);
    owner_.peers_changed();
  }
  if (look || attachment->delivered > 0) schedule(*attachment);
  attachment = find(channel);
  if (attachment) attachment->session->flush();
}

void Replicator::take_data(Attachment& attachment) {
  for (IncomingData& data : attachment.channel->take_data()) {
    attachment.slow = false;
    attachment.answered = node_.timers.now();
    if (++attachment.delivered >= attachment.window && attachment.window < window_most) {
      attachment.window = std::min(window_most, attachment.window * 2);
      attachment.delivered = 0;
    }
    Ingest::Item item{attachment.id, std::move(data)};
    switch (item.data.asked.purpose) {
      case Purpose::blocks:
      case Purpose::seek: owner_.ingest(std::move(item)); break;
      case Purpose::reorg: {
        if (reorg_asked_ != attachment.id || item.data.asked.fork != reorg_fork_) break;
        reorg_asked_.reset();
        owner_.reorg_step(ReorgStep{std::move(item), std::move(reorg_), {}});
        break;
      }
      case Purpose::conflict: shown(attachment, std::move(item)); break;
    }
  }
}

// One batch a peer at a time: what is on the pool is not yet in the queue that has_send_room() measures.
void Replicator::take_requests(Attachment& attachment) {
  if (attachment.serving || !attachment.channel->has_requests() || !attachment.session->has_send_room())
    return;
  const std::uint64_t fits = serve_bytes / std::max<std::uint64_t>(average_block(), 1);
  const auto most = static_cast<std::size_t>(std::clamp<std::uint64_t>(fits, 2, serve_most));
  std::vector<Serve> items;
  for (IncomingRequest& request : attachment.channel->take_requests(most)) {
    Serve item;
    item.attachment = attachment.id;
    item.request = std::move(request);
    items.push_back(std::move(item));
  }
  attachment.serving = !items.empty();
  if (attachment.serving) owner_.serve(std::move(items));
}

void Replicator::serve_more(CoreChannel& channel) {
  if (Attachment* attachment = find(channel)) take_requests(*attachment);
}

void Replicator::reorg_stepped(ReorgStep step, bool changed) {
  reorg_asked_.reset();
  if (!step.item.verdict) {
    end_reorg();
    if (Attachment* attachment = find(step.item.attachment)) {
      const Error& why = step.item.verdict.error();
      if (why != ProtocolErrc::wrong_fork && why != ProtocolErrc::missing_node) attachment->channel->pause();
      bad_data(*attachment, step.item.verdict.error());
    }
  } else if (changed || !step.reorg) {
    end_reorg();
    upgrading_.reset();
    reset_in_flight();
    note_met();
  } else {
    reorg_ = std::move(step.reorg);
    reorg_candidates_ = step.candidates;
    continue_reorg();
    return;
  }
  schedule();
}

void Replicator::ingested(std::vector<Ingest::Item>& items) {
  note_met();
  for (Ingest::Item& item : items) {
    give_back(item.data.asked, item.attachment);
    Attachment* attachment = find(item.attachment);
    if (item.verdict) {
      if (attachment && item.data.data.proof.block) attachment->session->count_received(1);
      continue;
    }
    if (attachment) bad_data(*attachment, item.verdict.error());
  }
}

void Replicator::bad_data(Attachment& attachment, const Error& error) {
  SessionPort& session = *attachment.session;
  if (error == ProtocolErrc::wrong_fork) return;  // nobody's fault: our tree changed after we asked
  if (error == ProtocolErrc::missing_node) {
    // Nobody's fault either, unless it happens again and again.
    if (++attachment.missing_nodes > missing_nodes_most) attachment.channel->pause();
  } else if (error == ProtocolErrc::malformed || error == ProtocolErrc::malformed_proof) {
    session.end(SessionEnd::malformed_proof);
  } else if (error == ProtocolErrc::invalid_signature) {
    // Not ours to forgive, unless it is the writer who signed two histories: then this peer can show the
    // other.
    attachment.on_trial = attachment.conflict_asked || ask_for_conflict(attachment);
    if (!attachment.on_trial) return session.end(SessionEnd::invalid_proof);
    session.flush();
  } else if (error == ProtocolErrc::invalid_manifest) {
    session.end(SessionEnd::invalid_proof);
  } else if (error == ProtocolErrc::invalid_proof) {
    // What else was under way when a conflict was asked about belongs to that question.
    if (attachment.conflict_asked) return;
    if (!session.forgive_bad_block()) return session.end(SessionEnd::invalid_proof);
    if (ask_for_conflict(attachment)) session.flush();
  }
}

// Whoever says a length has heard of no longer history once we have come up with it.
void Replicator::note_met(const Attachment& attachment) {
  const RemoteState& remote = attachment.channel->remote();
  if (attachment.channel->is_open() && remote.synced &&
      (remote.fork < local_.head.fork ||
       (remote.fork == local_.head.fork && remote.length <= local_.head.length)))
    met_peer_ = true;
}

// After a change of what is here.
void Replicator::note_met() {
  for (auto at = attachments_.begin(); !met_peer_ && at != attachments_.end(); ++at) note_met(at->second);
}

void Replicator::work_failed(std::vector<Ingest::Item>& items) {
  for (const Ingest::Item& item : items) give_back(item.data.asked, item.attachment);
}

void Replicator::served(Reads& reads) {
  std::set<SessionPort*> spoken;
  std::map<AttachmentId, std::vector<IncomingRequest>> again;
  std::vector<AttachmentId> free;  // to be served more
  for (Serve& item : reads.serves) {
    if (free.empty() || free.back() != item.attachment) free.push_back(item.attachment);
    Attachment* attachment = find(item.attachment);
    if (!attachment) continue;
    attachment->serving = false;
    if (!attachment->channel->is_open()) continue;
    CoreChannel& channel = *attachment->channel;
    const std::uint64_t ticket = item.request.ticket;
    // Other cores of the session may have filled its queue meanwhile; blocks are then read anew.
    if (item.reply == Serve::Reply::data && !attachment->session->has_send_room())
      item.reply = Serve::Reply::later;
    spoken.insert(attachment->session);
    switch (item.reply) {
      case Serve::Reply::data:
        if (item.request.parts.block && channel.still_wanted(ticket)) attachment->session->count_sent(1);
        if (item.request.parts.upgrade) attachment->compared = local_.head.length;
        if (item.frame)
          channel.answer(ticket, std::move(*item.frame));
        else
          channel.answer(ticket,
                         Bytes(reads.bodies).subspan(item.body_begin, item.body_end - item.body_begin));
        break;
      case Serve::Reply::not_available: channel.refuse(ticket, NoDataReason::not_available); break;
      // Without a reason, for once: our sync with the new fork went before it, so the peer does not ask
      // again; and a Node peer counts the reasons, and after 32 asks us nothing any more.
      case Serve::Reply::old_fork: channel.refuse(ticket, NoDataReason::none); break;
      case Serve::Reply::invalid:
        channel.refuse(ticket, NoDataReason::invalid_request);
        if (!attachment->session->forgive_invalid_request())
          attachment->session->end(SessionEnd::invalid_request);
        break;
      case Serve::Reply::later: again[item.attachment].push_back(std::move(item.request)); break;
    }
  }
  for (auto& [id, requests] : again)
    if (Attachment* attachment = find(id)) attachment->channel->put_back(std::move(requests));
  for (SessionPort* session : spoken) session->flush();
  // Whose session had no room while this batch was made is served when it has: serve_more().
  for (const AttachmentId id : free)
    if (Attachment* attachment = find(id); attachment && attachment->channel->is_open())
      take_requests(*attachment);
}

void Replicator::announce(const Delta& delta) {
  if (delta.truncated) {
    in_flight_.clear({BlockIndex{delta.truncated->value}, in_flight_.end()});
    freed_ = true;
  }
  for (const AttachmentId id : ids()) {
    Attachment* attachment = find(id);
    if (!attachment) continue;
    CoreChannel& channel = *attachment->channel;
    if (delta.truncated) attachment->compared = {};
    if (!channel.is_open()) continue;
    if (delta.truncated)
      channel.blocks_dropped({BlockIndex{delta.truncated->value}, BlockIndex{delta.truncated_end.value}});
    for (const BlockRange& range : delta.cleared) channel.blocks_dropped(range);
    channel.local_changed();
    for (const BlockRange& range : delta.stored) channel.blocks_stored(range);
    attachment->session->flush();
  }
}

std::size_t Replicator::open_channels() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(attachments_, [](const auto& entry) { return entry.second.channel->is_open(); }));
}

bool Replicator::settled(const Attachment& attachment) const {
  const CoreChannel& channel = *attachment.channel;
  if (!channel.is_open() || !channel.remote().synced) return false;
  const RemoteState& remote = channel.remote();
  const bool longer = remote.fork == local_.head.fork && remote.length > local_.head.length;
  const bool newer = remote.fork > local_.head.fork && remote.length.value > 0;
  return channel.paused() || local_.frozen || (!longer && !newer) || channel.upgrade_refused();
}

// Whoever waits asks at every event, and many peers settle one after another: the walk begins at the one that
// kept it waiting last.
bool Replicator::settled() const {
  if (upgrading_ || reorg_fork_) return false;
  const auto from = attachments_.lower_bound(unsettled_);
  const auto unsettled = [&](const auto& entry) { return !settled(entry.second); };
  auto at = std::find_if(from, attachments_.end(), unsettled);
  if (at == attachments_.end()) {
    at = std::find_if(attachments_.begin(), from, unsettled);
    if (at == from) return true;
  }
  unsettled_ = at->first;
  return false;
}

bool Replicator::complete(const CoreChannel& channel) const {
  return !channel.has_requests() && channel.pending_requests() == 0 && fetched(channel);
}

bool Replicator::fetched(const CoreChannel& channel) const {
  if (channel.in_flight() > 0) return false;
  if (const Attachment* attachment = find(channel))
    if (attachment->conflict_asked || to_compare(*attachment)) return false;
  if (local_.frozen) return true;  // it takes nothing more
  const RemoteState& remote = channel.remote();
  if (!remote.synced) return false;
  if (node_.sparse) return true;
  if (remote.fork > local_.head.fork) return remote.length.value == 0;
  if (remote.fork < local_.head.fork) return true;
  if (remote.length > local_.head.length) return false;
  if (!in_flight_.empty()) return false;
  if (owner_.over_quota()) return true;
  const BlockRange all{{}, end_of(local_.head.length)};
  return !channel.remote_has().first_wanted(all, local_.have, [](BlockIndex) { return false; });
}

}  // namespace sheaf
