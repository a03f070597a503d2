// How a replicator tells that a core's writer signed two histories: trees that are asked for, or shown, are
// held against ours or against each other.
#include <algorithm>

#include "engine/core/replicator.hpp"

namespace sheaf {

// A tree that we asked for, or that the peer shows unasked. One of more than is here says nothing alone:
// beside another one of the same length it tells that two were signed.
void Replicator::shown(Attachment& attachment, Ingest::Item item) {
  const Data& data = item.data.data;
  const bool unasked = !item.data.asked.parts.upgrade;
  ConflictCheck check;
  if (unasked && (data.fork != local_.head.fork || data.proof.upgrade->length > local_.head.length)) {
    if (attachment.beyond.empty()) {
      Writer writer(attachment.beyond);
      encode(writer, data);
      return;
    }
    check.beside = std::exchange(attachment.beyond, {});
  }
  attachment.conflict_asked = true;
  check.item = std::move(item);
  owner_.conflict_check(std::move(check));
}

// The same fork with another tree behind it would be a conflict: lets the peer show its own. Until then it is
// not asked for anything else. False if there is nothing to compare; else its session has to flush.
bool Replicator::ask_for_conflict(Attachment& attachment) {
  attachment.channel->pause();
  return ask_conflict(attachment);
}

bool Replicator::ask_conflict(Attachment& attachment) {
  CoreChannel& channel = *attachment.channel;
  const Length both = std::min(channel.remote().length, local_.head.length);
  if (both.value == 0 || !channel.is_open() || local_.frozen || channel.remote().fork != local_.head.fork)
    return false;
  ProofRequest parts;
  parts.upgrade = UpgradeRequest{{}, both};
  attachment.conflict_asked = true;
  channel.ask(Purpose::conflict, local_.head.fork, parts, false, Packing::alone, node_.timers.now());
  attachment.session->expect_answer();
  return true;
}

// A peer that has blocks, and no more than we have, sends nothing that would not fit. A writer asks it for
// its tree when it did not learn its length from us, since somebody else may write with our key: a copied
// folder, or a thief.
bool Replicator::to_compare(const Attachment& attachment) const {
  const RemoteState& remote = attachment.channel->remote();
  return owner_.is_own() && !local_.frozen && remote.synced && remote.fork == local_.head.fork &&
         remote.length > attachment.compared && remote.length <= local_.head.length;
}

void Replicator::compare_with(Attachment& attachment) {
  if (attachment.conflict_asked || !to_compare(attachment)) return;
  if (ask_conflict(attachment)) attachment.compared = attachment.channel->remote().length;
}

void Replicator::conflict_checked(ConflictCheck& check) {
  if (!check.trees.empty()) {
    conflict_ = std::move(check.trees);
    for (const AttachmentId id : ids()) {
      Attachment* attachment = find(id);
      if (!attachment) continue;
      for (const Buffer& tree : conflict_) attachment->channel->show_tree(tree);
      attachment->session->flush();
    }
  }
  Attachment* attachment = find(check.item.attachment);
  if (!attachment) return;
  attachment->conflict_asked = false;
  if (attachment->on_trial && !check.found_conflict())
    return attachment->session->end(SessionEnd::invalid_proof);
  attachment->on_trial = false;
  const auto& outcome = check.outcome;
  if (outcome.has_value() && *outcome == Comparison::equal) attachment->channel->resume();
  compare_with(*attachment);  // it may have grown meanwhile
  // What concerns every session they see to once the core is frozen.
  if (check.found_conflict()) return attachment->session->flush();
  attachment->session->channel_moved(*attachment->channel);
  attachment->session->flush();
  // Again by its name: a session that flushes may find out that it is over.
  if (Attachment* resumed = find(check.item.attachment)) schedule(*resumed);
}

}  // namespace sheaf
