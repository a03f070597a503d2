#include "engine/core/replicator.hpp"

#include <algorithm>

#include "engine/core/download_plan.hpp"
#include "protocol/missing_nodes.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// Requests in flight on one channel: at first, and at most (what a Node peer and we ourselves take, L8).
constexpr std::size_t window_most = 1024;
// Bytes that the answers in flight may come to, as far as the average block tells.
constexpr std::uint64_t window_bytes = 8 * 1024 * 1024;
// Answers in one batch at most.
constexpr std::size_t serve_most = 1024;
// A peer whose answers keep leading to nodes that we do not hold is not asked again.
constexpr std::size_t missing_nodes_most = 32;
// Blocks known to be no larger than this may be asked for in one frame: a Node peer begins a new answer frame
// past 8 MiB, and one frame holds 16 MiB.
constexpr std::uint64_t shared_block_bytes = 7 * 1024 * 1024;

std::uint64_t average_block(const TreeHead& head) {
  return head.length.value == 0 ? 0 : head.byte_length.value / head.length.value;
}

}  // namespace

Replicator::Replicator(NodeContext& node, const LocalCore& local, ReplicatorOwner& owner)
    : node_(node), local_(local), owner_(owner) {}

void Replicator::attach(CoreChannel& channel, SessionPort& session) {
  const AttachmentId id = next_id_++;
  attachments_.emplace(id, Attachment{.id = id, .channel = &channel, .session = &session});
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
  for (const Asked& asked : channel.take_unanswered())
    if (asked.parts.block) in_flight_.clear(asked.parts.block->index);
  const AttachmentId id = attachment->id;
  attachments_.erase(id);
  if (upgrading_ == id) upgrading_.reset();
  if (reorg_asked_ == id) {  // ask another
    reorg_asked_.reset();
    continue_reorg();
  }
  owner_.peers_changed();
  schedule();
}

Replicator::Attachment* Replicator::find(const CoreChannel& channel) {
  for (auto& [id, attachment] : attachments_)
    if (attachment.channel == &channel) return &attachment;
  return nullptr;
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
    if (asked.parts.block) in_flight_.clear(asked.parts.block->index);
    if (upgrading_ == attachment->id && asked.parts.upgrade && asked.purpose == Purpose::blocks)
      upgrading_.reset();
    if (asked.purpose == Purpose::conflict) {
      if (attachment->on_trial) return attachment->session->end(SessionEnd::invalid_proof);
      attachment->conflict_asked = false;  // it shows no tree: there is nothing to wait for
    }
    if (asked.purpose == Purpose::reorg && reorg_asked_ == attachment->id) {
      reorg_.reset();
      reorg_fork_.reset();
      reorg_asked_.reset();
    }
    look = true;
  }
  if (channel.take_remote_changed()) {
    look = true;
    note_met();
    compare_with(*attachment);
    owner_.peers_changed();
  }
  if (look || attachment->delivered > 0) schedule();
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
  const std::uint64_t fits = serve_bytes / std::max<std::uint64_t>(average_block(local_.head), 1);
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

std::size_t Replicator::room(const Attachment& attachment) const {
  const CoreChannel& channel = *attachment.channel;
  const RemoteState& remote = channel.remote();
  if (!channel.is_open() || channel.paused() || !remote.synced || !remote.uploading ||
      remote.fork != local_.head.fork)
    return 0;
  const std::uint64_t by_bytes =
      std::max<std::uint64_t>(window_bytes / std::max<std::uint64_t>(average_block(local_.head), 1), 2);
  const std::size_t window = static_cast<std::size_t>(std::min<std::uint64_t>(attachment.window, by_bytes));
  return window > channel.in_flight() ? window - channel.in_flight() : 0;
}

// A root covers all of its blocks, so none of them is larger than it.
bool Replicator::may_share_frames() const {
  return std::ranges::all_of(local_.head.roots,
                             [](const TreeNode& root) { return root.size.value <= shared_block_bytes; });
}

bool Replicator::ask_elsewhere(CoreChannel& channel, Instant before) {
  Attachment* owing = find(channel);
  if (!owing) return false;
  if (owing->on_trial) {
    for (const Asked& asked : channel.owed(before))
      if (asked.purpose == Purpose::conflict) {
        owing->session->end(SessionEnd::invalid_proof);
        break;
      }
    return false;
  }
  if (owing->answered > before) return false;
  const auto other_can = [&](auto can) {
    return std::ranges::any_of(attachments_, [&](const auto& entry) {
      return &entry.second != owing && !entry.second.slow && can(entry.second);
    });
  };
  bool taken_back = false;
  bool reorg_owed = false;
  for (const Asked& asked : channel.owed(before)) {
    reorg_owed = reorg_owed || asked.purpose == Purpose::reorg;
    if (!asked.parts.block) continue;
    const BlockIndex block = asked.parts.block->index;
    const auto has = [&](const Attachment& other) {
      return room(other) > 0 && other.channel->remote_has().contains(block);
    };
    if (!other_can(has) || !channel.cancel_block(block)) continue;
    in_flight_.clear(block);
    taken_back = true;
  }
  const auto can_upgrade = [](const Attachment& other) { return other.channel->can_ask_upgrade(); };
  if (upgrading_ == owing->id && (taken_back || other_can(can_upgrade))) {
    upgrading_.reset();
    taken_back = true;
  }
  if (reorg_owed && reorg_fork_ &&
      reorg_asked_ == owing->id) {  // a fork that is not shown must not hold up the one we are on
    reorg_.reset();
    reorg_fork_.reset();
    reorg_asked_.reset();
    taken_back = true;
  }
  if (taken_back) owing->slow = true;
  return taken_back;
}

void Replicator::schedule() {
  if (local_.frozen || !owner_.takes_data()) return;
  std::set<SessionPort*> spoken;
  for (const bool slow : {false, true}) {
    for (auto& [id, attachment] : attachments_) {
      if (attachment.slow != slow || (slow && attachment.channel->in_flight() > 0)) continue;
      if (!reorg_fork_ && attachment.channel->can_ask_reorg()) {
        ask_reorg(attachment);
        spoken.insert(attachment.session);
      }
      if (!upgrading_ && !reorg_fork_ && attachment.channel->can_ask_upgrade()) {
        ask_upgrade(attachment);
        spoken.insert(attachment.session);
      }
    }
  }
  std::vector<BlockRange> wanted = owner_.wanted();
  for (BlockRange& range : wanted) range.end = std::min(range.end, end_of(local_.head.length));
  std::erase_if(wanted, [](const BlockRange& range) { return range.empty(); });
  if (!wanted.empty() && !reorg_fork_) {
    ask_blocks(wanted, false, spoken);
    ask_blocks(wanted, true, spoken);
  }
  for (SessionPort* session : spoken) {
    session->expect_answer();
    session->flush();
  }
}

// Of the peers that answer, or of the slow ones.
void Replicator::ask_blocks(const std::vector<BlockRange>& wanted, bool slow,
                            std::set<SessionPort*>& spoken) {
  std::vector<Attachment*> asked;
  std::vector<PlanPeer> peers;
  for (auto& [id, attachment] : attachments_) {
    if (attachment.slow != slow) continue;
    const std::size_t free =
        slow ? std::size_t{attachment.channel->in_flight() == 0 && room(attachment) > 0} : room(attachment);
    if (free == 0) continue;
    asked.push_back(&attachment);
    peers.push_back({&attachment.channel->remote_has(), free});
  }
  if (peers.empty()) return;
  const Packing packing = may_share_frames() ? Packing::shared : Packing::alone;
  const Instant now = node_.timers.now();
  for (const PlannedAsk& ask : plan_downloads(wanted, local_.have, in_flight_, peers)) {
    ProofRequest parts;
    parts.block = BlockRequest{ask.block, missing_nodes(ask.block, local_.head.length, local_.have)};
    asked[ask.peer]->channel->ask(Purpose::blocks, local_.head.fork, parts, false, packing, now);
    spoken.insert(asked[ask.peer]->session);
  }
  // A peer that is longer than what it told us of its blocks may have what we look for: ask it to say.
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (peers[i].room == 0) continue;
    for (const BlockRange& range : wanted) {
      const BlockIndex missing = in_flight_.first_unset(local_.have.first_unset(range.begin));
      if (missing < range.end && missing < end_of(asked[i]->channel->remote().length) &&
          !asked[i]->channel->remote_has().contains(missing)) {
        asked[i]->channel->want(missing);
        spoken.insert(asked[i]->session);
      }
    }
  }
}

void Replicator::ask_upgrade(Attachment& attachment) {
  CoreChannel& channel = *attachment.channel;
  ProofRequest parts;
  const Length length = local_.head.length;
  parts.upgrade = UpgradeRequest{length, channel.remote().length - length};
  // When the next block is wanted anyway it comes along: a round trip less for whoever follows live.
  const BlockIndex next = end_of(length);
  const auto wanted = owner_.wanted();
  const bool wants_next = std::ranges::any_of(wanted, [&](const BlockRange& r) { return r.contains(next); });
  if (wants_next && channel.remote_has().contains(next) && !in_flight_.test(next)) {
    parts.block = BlockRequest{next, 0};
    in_flight_.set(next);
  }
  const bool manifest = !local_.manifest && channel.remote().has_manifest;
  channel.ask(Purpose::blocks, local_.head.fork, parts, manifest, Packing::alone, node_.timers.now());
  upgrading_ = attachment.id;
}

void Replicator::ask_reorg(Attachment& attachment) {
  CoreChannel& channel = *attachment.channel;
  ProofRequest parts;
  parts.upgrade = UpgradeRequest{{}, channel.remote().length};
  const bool manifest = !local_.manifest && channel.remote().has_manifest;
  reorg_fork_ = channel.remote().fork;
  reorg_.reset();
  reorg_asked_ = attachment.id;
  channel.ask(Purpose::reorg, *reorg_fork_, parts, manifest, Packing::alone, node_.timers.now());
}

// Asks someone on the new fork for a node that tells where it parts from ours.
void Replicator::continue_reorg() {
  if (reorg_) {
    for (auto& [id, attachment] : attachments_) {
      CoreChannel& channel = *attachment.channel;
      if (!channel.is_open() || channel.remote().fork != *reorg_fork_) continue;
      const auto theirs = channel.remote_has().first(reorg_candidates_);
      const BlockIndex block = theirs.value_or(reorg_candidates_.begin);
      ProofRequest parts;
      parts.hash = reorg_->request(block);
      reorg_asked_ = id;
      channel.ask(Purpose::reorg, *reorg_fork_, parts, false, Packing::alone, node_.timers.now());
      attachment.session->expect_answer();
      attachment.session->flush();
      return;
    }
  }
  reorg_.reset();
  reorg_fork_.reset();
}

void Replicator::reorg_stepped(ReorgStep step, bool changed) {
  reorg_asked_.reset();
  if (!step.item.verdict) {
    reorg_.reset();
    reorg_fork_.reset();
    if (Attachment* attachment = find(step.item.attachment)) {
      const Error& why = step.item.verdict.error();
      if (why != ProtocolErrc::wrong_fork && why != ProtocolErrc::missing_node) attachment->channel->pause();
      bad_data(*attachment, step.item.verdict.error());
    }
  } else if (changed || !step.reorg) {
    reorg_.reset();
    reorg_fork_.reset();
    upgrading_.reset();
    in_flight_.clear({{}, in_flight_.end()});
    note_met();
  } else {
    reorg_ = std::move(step.reorg);
    reorg_candidates_ = step.candidates;
    continue_reorg();
    return;
  }
  schedule();
}

bool Replicator::ask_seek(ByteCount bytes, ByteCount padding, BlockRange under) {
  for (auto& [id, attachment] : attachments_) {
    if (room(attachment) == 0) continue;
    const auto block = attachment.channel->remote_has().first(under);
    if (!block) continue;
    ProofRequest parts;
    parts.hash = HashRequest{{2 * block->value}, missing_nodes(*block, local_.head.length, local_.have)};
    parts.seek = SeekRequest{bytes, padding};
    attachment.channel->ask(Purpose::seek, local_.head.fork, parts, false, Packing::alone,
                            node_.timers.now());
    attachment.session->flush();
    return true;
  }
  return false;
}

// What was asked may be asked again: it is stored, or it did not hold. Not before, or it would be fetched
// twice.
void Replicator::arrived(const Ingest::Item& item) {
  const Asked& asked = item.data.asked;
  if (asked.parts.block) in_flight_.clear(asked.parts.block->index);
  if (asked.parts.upgrade && asked.purpose == Purpose::blocks && upgrading_ == item.attachment)
    upgrading_.reset();
}

void Replicator::ingested(std::vector<Ingest::Item>& items) {
  note_met();
  for (Ingest::Item& item : items) {
    arrived(item);
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
    if (!attachment.on_trial) session.end(SessionEnd::invalid_proof);
  } else if (error == ProtocolErrc::invalid_manifest) {
    session.end(SessionEnd::invalid_proof);
  } else if (error == ProtocolErrc::invalid_proof) {
    // What else was under way when a conflict was asked about belongs to that question.
    if (attachment.conflict_asked) return;
    if (!session.forgive_bad_block()) return session.end(SessionEnd::invalid_proof);
    ask_for_conflict(attachment);
  }
}

// Whoever says a length has heard of no longer history once we have come up with it.
void Replicator::note_met() {
  for (const auto& [id, attachment] : attachments_) {
    const RemoteState& remote = attachment.channel->remote();
    if (attachment.channel->is_open() && remote.synced &&
        (remote.fork < local_.head.fork ||
         (remote.fork == local_.head.fork && remote.length <= local_.head.length)))
      met_peer_ = true;
  }
}

void Replicator::work_failed(std::vector<Ingest::Item>& items) {
  for (const Ingest::Item& item : items) arrived(item);
}

void Replicator::served(Reads& reads) {
  std::set<SessionPort*> spoken;
  std::map<AttachmentId, std::vector<IncomingRequest>> again;
  for (Serve& item : reads.serves) {
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
  for (auto& [id, attachment] : attachments_)
    if (attachment.channel->is_open()) take_requests(attachment);
}

void Replicator::announce(const Delta& delta) {
  if (delta.truncated) in_flight_.clear({BlockIndex{delta.truncated->value}, in_flight_.end()});
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

bool Replicator::settled() const {
  if (upgrading_ || reorg_fork_) return false;
  return std::ranges::all_of(attachments_, [&](const auto& entry) {
    const CoreChannel& channel = *entry.second.channel;
    if (!channel.is_open() || !channel.remote().synced) return false;
    const RemoteState& remote = channel.remote();
    const bool longer = remote.fork == local_.head.fork && remote.length > local_.head.length;
    const bool newer = remote.fork > local_.head.fork && remote.length.value > 0;
    return channel.paused() || local_.frozen || (!longer && !newer) || channel.upgrade_refused();
  });
}

bool Replicator::complete(const CoreChannel& channel) const {
  return !channel.has_requests() && channel.pending_requests() == 0 && fetched(channel);
}

bool Replicator::fetched(const CoreChannel& channel) const {
  if (channel.in_flight() > 0) return false;
  const auto compares = [&](const auto& entry) {
    const Attachment& attachment = entry.second;
    return attachment.channel == &channel && (attachment.conflict_asked || to_compare(attachment));
  };
  if (std::ranges::any_of(attachments_, compares)) return false;
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

bool Replicator::can_get(BlockIndex index) const {
  return std::ranges::any_of(attachments_, [&](const auto& entry) {
    return entry.second.channel->is_open() && entry.second.channel->remote_has().contains(index);
  });
}

}  // namespace sheaf
