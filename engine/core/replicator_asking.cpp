// Whom a replicator asks for what: longer trees, other forks, blocks, and what is taken back to be asked of
// somebody else.
//
// After schedule() nothing more can be asked of anyone. From then on an event of one channel makes that one
// askable and no other, as long as nothing that all share comes free: so it alone is looked at, and a
// thousand peers cost a thousand looks. What comes free sets `freed_`, and the next look is at everyone.
#include <algorithm>

#include "engine/core/download_plan.hpp"
#include "engine/core/replicator.hpp"
#include "protocol/missing_nodes.hpp"

namespace sheaf {
namespace {

// Bytes that the answers in flight may come to, as far as the average block tells.
constexpr std::uint64_t window_bytes = 8 * 1024 * 1024;
// Blocks known to be no larger than this may be asked for in one frame: a Node peer begins a new answer frame
// past 8 MiB, and one frame holds 16 MiB.
constexpr std::uint64_t shared_block_bytes = 7 * 1024 * 1024;

}  // namespace

std::uint64_t Replicator::average_block() const {
  const TreeHead& head = local_.head;
  return head.length.value == 0 ? 0 : head.byte_length.value / head.length.value;
}

std::size_t Replicator::room(const Attachment& attachment) const {
  const CoreChannel& channel = *attachment.channel;
  const RemoteState& remote = channel.remote();
  if (!channel.is_open() || channel.paused() || !remote.synced || !remote.uploading ||
      remote.fork != local_.head.fork)
    return 0;
  const std::uint64_t by_bytes =
      std::max<std::uint64_t>(window_bytes / std::max<std::uint64_t>(average_block(), 1), 2);
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
  const std::vector<Asked> owed = channel.owed(before);
  const auto of_block = [](const Asked& asked) { return asked.parts.block.has_value(); };
  std::vector<const Attachment*> others;
  bool other_upgrades = false;
  if (upgrading_ == owing->id || std::ranges::any_of(owed, of_block)) {
    for (const auto& [id, other] : attachments_) {
      if (&other == owing || other.slow) continue;
      if (room(other) > 0) others.push_back(&other);
      other_upgrades = other_upgrades || other.channel->can_ask_upgrade();
    }
  }
  bool taken_back = false;
  bool reorg_owed = false;
  for (const Asked& asked : owed) {
    reorg_owed = reorg_owed || asked.purpose == Purpose::reorg;
    if (!asked.parts.block) continue;
    const BlockIndex block = asked.parts.block->index;
    const auto has = [&](const Attachment* other) { return other->channel->remote_has().contains(block); };
    if (std::ranges::none_of(others, has) || !channel.cancel_block(block)) continue;
    in_flight_.clear(block);
    taken_back = true;
  }
  if (upgrading_ == owing->id && (taken_back || other_upgrades)) {
    upgrading_.reset();
    taken_back = true;
  }
  if (reorg_owed && reorg_fork_ &&
      reorg_asked_ == owing->id) {  // a fork that is not shown must not hold up the one we are on
    end_reorg();
    taken_back = true;
  }
  if (taken_back) {
    owing->slow = true;
    freed_ = true;
  }
  return taken_back;
}

void Replicator::schedule() {
  freed_ = true;  // also while nothing may be asked: everyone is looked at once something may
  schedule_if_freed();
}

void Replicator::schedule_if_freed() {
  if (!freed_ || local_.frozen || !owner_.takes_data()) return;
  freed_ = false;
  std::vector<Attachment*> everyone;
  everyone.reserve(attachments_.size());
  for (auto& [id, attachment] : attachments_) everyone.push_back(&attachment);
  ask(everyone);
}

// For what happened to one channel.
void Replicator::schedule(Attachment& moved) {
  if (freed_) return schedule_if_freed();
  if (local_.frozen || !owner_.takes_data()) return;
  Attachment* const alone[] = {&moved};
  ask(alone);
}

void Replicator::ask(std::span<Attachment* const> whom) {
  looks_ += whom.size();
  std::set<SessionPort*> spoken;
  for (const bool slow : {false, true}) {
    for (Attachment* attachment : whom) {
      if (attachment->slow != slow || (slow && attachment->channel->in_flight() > 0)) continue;
      if (!reorg_fork_ && attachment->channel->can_ask_reorg()) {
        ask_reorg(*attachment);
        spoken.insert(attachment->session);
      }
      if (!upgrading_ && !reorg_fork_ && attachment->channel->can_ask_upgrade()) {
        ask_upgrade(*attachment);
        spoken.insert(attachment->session);
      }
    }
  }
  std::vector<BlockRange> wanted = owner_.wanted();
  for (BlockRange& range : wanted) range.end = std::min(range.end, end_of(local_.head.length));
  std::erase_if(wanted,
                [&](const BlockRange& range) { return local_.have.first_unset(range.begin) >= range.end; });
  if (!wanted.empty() && !reorg_fork_) {
    ask_blocks(wanted, whom, false, spoken);
    ask_blocks(wanted, whom, true, spoken);
  }
  for (SessionPort* session : spoken) {
    session->expect_answer();
    session->flush();
  }
}

// Of the peers that answer, or of the slow ones.
void Replicator::ask_blocks(const std::vector<BlockRange>& wanted, std::span<Attachment* const> whom,
                            bool slow, std::set<SessionPort*>& spoken) {
  std::vector<Attachment*> asked;
  std::vector<PlanPeer> peers;
  for (Attachment* attachment : whom) {
    if (attachment->slow != slow) continue;
    const CoreChannel& channel = *attachment->channel;
    const std::size_t free =
        slow ? std::size_t{channel.in_flight() == 0 && room(*attachment) > 0} : room(*attachment);
    if (free == 0) continue;
    asked.push_back(attachment);
    peers.push_back({&channel.remote_has(), free});
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
  end_reorg();
}

void Replicator::end_reorg() {
  reorg_.reset();
  reorg_fork_.reset();
  reorg_asked_.reset();
  freed_ = true;
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

// What was asked may be asked again, of anyone: it is not answered, or stored, or it did not hold. Not
// before, or it would be fetched twice.
void Replicator::give_back(const Asked& asked, AttachmentId from) {
  if (asked.parts.block) {
    in_flight_.clear(asked.parts.block->index);
    freed_ = true;
  }
  if (asked.parts.upgrade && asked.purpose == Purpose::blocks && upgrading_ == from) {
    upgrading_.reset();
    freed_ = true;
  }
}

void Replicator::reset_in_flight() {
  in_flight_.clear({{}, in_flight_.end()});
  freed_ = true;
}

}  // namespace sheaf
