// The channels of one core and what travels on them: whom to ask for what, and whom to tell.
//
// One for each open core, on the strand. It decides what is asked and what a verdict means for the peer; the
// channels know the protocol, and OpenCore does the work and keeps the state.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/core/core_work.hpp"
#include "engine/core/node_context.hpp"
#include "protocol/bitfield.hpp"
#include "protocol/core_channel.hpp"

namespace sheaf {

// What a core asks of the session that one of its channels runs on.
class SessionPort {
 public:
  virtual void flush() = 0;  // something was said on a channel
  virtual void end(SessionEnd reason) = 0;
  virtual bool has_send_room() const = 0;
  virtual void expect_answer() = 0;  // something was asked: whoever owes it is looked after
  // Work has settled something of this channel alone: the look that the next flush() brings is at it, too.
  virtual void channel_moved(CoreChannel& channel) = 0;
  virtual void count_received(std::uint64_t blocks) = 0;
  virtual void count_sent(std::uint64_t blocks) = 0;
  // A block that did not hold; true while the session may go on (L12).
  virtual bool forgive_bad_block() = 0;
  virtual bool forgive_invalid_request() = 0;

 protected:
  ~SessionPort() = default;
};

// Where the replicator leaves work and finds out what the core wants.
class ReplicatorOwner {
 public:
  virtual void ingest(Ingest::Item item) = 0;
  virtual void reorg_step(ReorgStep step) = 0;
  virtual void conflict_check(ConflictCheck check) = 0;
  virtual void serve(std::vector<Serve> items) = 0;
  // Ranges to fetch, the most urgent first.
  virtual std::vector<BlockRange> wanted() const = 0;
  // False while nothing that a peer may send could be kept: the store has failed or stopped, or the core is
  // closing.
  virtual bool takes_data() const = 0;
  // Its archive has all that its quota lets it keep: heads are followed, and no block is fetched.
  virtual bool over_quota() const = 0;
  // Its writer is here: a peer that has met another history of it is found out at once.
  virtual bool is_own() const = 0;
  // A peer opened, synced, left or learned something: whoever waits for that looks again.
  virtual void peers_changed() = 0;

 protected:
  ~ReplicatorOwner() = default;
};

class Replicator {
 public:
  Replicator(NodeContext& node, const LocalCore& local, ReplicatorOwner& owner);
  // The two trees of a core that was frozen before, for whoever opens it from now on; empty: none.
  void knows_conflict(std::vector<Buffer> trees) { conflict_ = std::move(trees); }

  // A channel was opened on a session, by us; it is used once opened() says so. Both outlive detach().
  void attach(CoreChannel& channel, SessionPort& session);
  void opened(CoreChannel& channel);
  void detach(CoreChannel& channel);
  // The channel has something to take.
  void process(CoreChannel& channel);
  // The session has room again for what the channel's peer asked.
  void serve_more(CoreChannel& channel);
  // Takes back from this channel what it has owed since `before` and another peer can give, and asks it
  // little until it answers again. True if something is to be asked anew: schedule().
  bool ask_elsewhere(CoreChannel& channel, Instant before);
  // Looks for what to ask, of everyone: what is here has changed, or what is wanted.
  void schedule();
  // The same, if something was given back that anyone may be asked for; otherwise there is nothing new to
  // ask.
  void schedule_if_freed();

  // -- Outcomes of work, called after the local core has changed.
  void ingested(std::vector<Ingest::Item>& items);
  void reorg_stepped(ReorgStep step, bool changed);
  void conflict_checked(ConflictCheck& check);
  void served(Reads& reads);
  void work_failed(std::vector<Ingest::Item>& items);  // the store did not take it
  void reset_in_flight();
  // Says to every peer what changed: lengths, blocks that came, blocks that went.
  void announce(const Delta& delta);

  // Asks one peer that can help to narrow down a byte position; false if there is none.
  bool ask_seek(ByteCount bytes, ByteCount padding, BlockRange under);

  std::size_t open_channels() const;
  // Every channel has been answered, has said its length, and has no longer tree that is still to be fetched.
  bool settled() const;
  // Everything that this channel's peer announced is here, and nothing is asked.
  bool fetched(const CoreChannel& channel) const;
  // The same, and the peer waits for nothing.
  bool complete(const CoreChannel& channel) const;
  // Some peer has shown our core's length or more, as it stands now.
  bool met_peer() const { return met_peer_; }
  // Channels looked at for what to ask of them, so far: what events have cost.
  std::uint64_t looks() const { return looks_; }

 private:
  struct Attachment {
    AttachmentId id;
    CoreChannel* channel;
    SessionPort* session;
    std::size_t window = 64;    // requests in flight at most
    std::size_t delivered = 0;  // answers since the window grew last
    std::size_t missing_nodes = 0;
    bool serving = false;  // a batch of its requests is being answered
    Length compared{};     // of an own core: up to here its tree is known to be ours, or was asked for
    bool opened = false;
    Instant answered{};           // when its last answer came
    bool conflict_asked = false;  // its tree is being compared with ours
    bool on_trial = false;        // its signature did not hold: only the proof of a second history excuses it
    Buffer beyond{};              // the last tree that it showed of more than is here, as a data message
    bool slow = false;  // owed answers for too long; asked only for what nobody else has, one at a time
  };

  Attachment* find(const CoreChannel& channel) const;
  Attachment* find(AttachmentId id);
  // For walks on which sessions are flushed: one may find out that it is over, and take its channel away.
  std::vector<AttachmentId> ids() const;
  std::uint64_t average_block() const;
  std::size_t room(const Attachment& attachment) const;
  void take_requests(Attachment& attachment);
  void take_data(Attachment& attachment);
  void shown(Attachment& attachment, Ingest::Item item);
  void schedule(Attachment& moved);
  void ask(std::span<Attachment* const> whom);
  void ask_upgrade(Attachment& attachment);
  void ask_reorg(Attachment& attachment);
  void continue_reorg();
  void end_reorg();
  void give_back(const Asked& asked, AttachmentId from);
  void bad_data(Attachment& attachment, const Error& error);
  bool ask_for_conflict(Attachment& attachment);
  bool ask_conflict(Attachment& attachment);
  bool to_compare(const Attachment& attachment) const;
  void compare_with(Attachment& attachment);
  void note_met();
  void note_met(const Attachment& attachment);
  bool settled(const Attachment& attachment) const;
  bool may_share_frames() const;
  void ask_blocks(const std::vector<BlockRange>& wanted, std::span<Attachment* const> whom, bool slow,
                  std::set<SessionPort*>& spoken);

  NodeContext& node_;
  const LocalCore& local_;
  ReplicatorOwner& owner_;
  std::map<AttachmentId, Attachment> attachments_;
  std::unordered_map<const CoreChannel*, Attachment*> by_channel_;
  AttachmentId next_id_ = 1;
  // Since everyone was looked at, something came free that anyone may be asked for: a bit of in_flight_,
  // upgrading_ or reorg_fork_.
  bool freed_ = false;
  std::uint64_t looks_ = 0;
  mutable AttachmentId unsettled_ = 0;     // where settled() found the last one that was not
  Bitfield in_flight_;                     // asked, or arrived and not verified yet
  std::optional<AttachmentId> upgrading_;  // who was asked for a longer tree
  std::unique_ptr<Reorg> reorg_;           // between its steps
  std::optional<Fork> reorg_fork_;         // being followed now
  BlockRange reorg_candidates_;
  std::optional<AttachmentId> reorg_asked_;  // who owes the next step; none while one is being worked on
  bool met_peer_ = false;
  std::vector<Buffer> conflict_;  // the two trees that its writer signed, shown to whoever we meet
};

}  // namespace sheaf
