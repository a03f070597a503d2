// One core with one peer: what to tell it, what to ask of it, what it asks of us.
//
// Protocol: hypercore/alpha of Hypercore 11. The channel decodes and bounds what arrives, keeps what is known
// of the other side, and says everything that has to be said unasked (lengths, blocks, replies to wants).
// What needs a store or a proof it hands out and takes back: requests of the peer with take_requests() and
// answer()/refuse(), data from the peer with take_data(), which the owner verifies. It never calls a store,
// and asks for nothing on its own: the owner decides what to ask, by ask().
//
// Driven by one owner at a time; `local` and `mux` outlive it. Views handed out live as long as their slab.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "protocol/have_set.hpp"
#include "protocol/local_core.hpp"
#include "protocol/messages.hpp"
#include "protocol/mux.hpp"
#include "protocol/signables.hpp"
#include "protocol/slab.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/session_end.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

// Why something was asked; it says what the answer is good for.
enum class Purpose : std::uint8_t {
  blocks,    // a block, an upgrade of our length, or both, on the fork we are on
  seek,      // nodes on the way to a byte
  reorg,     // the proof of a higher fork, or a node that narrows down where it begins
  conflict,  // request 0: the other side's tree from its first block on
};

struct Asked {
  Purpose purpose = Purpose::blocks;
  Fork fork;
  ProofRequest parts;
  Instant since;
};

// A peer's request, to be answered with every part it names, or refused with a reason.
struct IncomingRequest {
  std::uint64_t ticket = 0;  // ours: the peer may use its id again while an old answer is being made
  std::uint64_t id = 0;      // the peer's: goes into the answer
  Fork fork;
  ProofRequest parts;
  bool manifest = false;
};

// A peer's answer to something we asked, decoded and matched, not verified.
struct IncomingData {
  std::uint64_t id = 0;
  Asked asked;
  Data data;  // its views lie in `slab`
  Slab slab;
};

// What the other side last said of itself, and what it last heard of us.
struct RemoteState {
  bool synced = false;
  Fork fork;
  Length length;
  Length acked;  // our length as it knows it, 0 when it is on another fork
  bool can_upgrade = false;
  bool uploading = true;
  bool downloading = true;
  bool has_manifest = false;
};

class CoreChannel {
 public:
  CoreChannel(const LocalCore& local, Mux& mux, const Limits& limits);

  // Sends our half of the opening.
  void open(Role role, const WideHash& handshake_hash);
  // The other half has come. Checks its capability, then says our length and blocks.
  std::optional<SessionEnd> opened(Bytes handshake, Instant now);
  std::optional<SessionEnd> receive(std::uint64_t type, Bytes body, const Slab& slab, Instant now);
  void close();

  LocalId id() const { return id_; }
  bool is_open() const { return open_; }

  // -- What came in since the last call.
  std::vector<IncomingRequest> take_requests(std::size_t most);
  // Gives back what was taken and not answered; it is the first to be taken again.
  void put_back(std::vector<IncomingRequest> requests);
  std::vector<IncomingData> take_data();
  // Asked in vain: the peer does not have it, or its answer did not fit. The owner may ask elsewhere.
  std::vector<Asked> take_unanswered();
  // Something about the other side changed that may make it worth asking again.
  bool take_remote_changed();
  bool has_requests() const { return !requests_.empty(); }
  std::size_t pending_requests() const { return pending_.size(); }  // queued or being answered
  // False while the peer has more unanswered requests here than a channel may have.
  bool wants_input() const;

  // -- What is known of the other side.
  const RemoteState& remote() const { return remote_; }
  const HaveSet& remote_has() const { return remote_has_; }
  // It can prove a longer tree from exactly the one we have. (Otherwise a Node peer may end the connection.)
  bool can_ask_upgrade() const;
  // It is on a higher fork that has blocks: the proof of that fork may be asked for.
  bool can_ask_reorg() const;
  // It could not, or would not, show the tree it claims; not asked again before its state changes.
  bool upgrade_refused() const { return upgrade_refused_; }
  std::size_t in_flight() const { return asked_.size(); }
  // The oldest thing asked and not answered.
  std::optional<Instant> waiting_since() const;
  // What was asked no later than this and not answered.
  std::vector<Asked> owed(Instant before) const;
  // After an invalid proof the peer is not asked again on this channel, but still served.
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  bool paused() const { return paused_; }

  // -- Asking. Requests for blocks that may be large go in frames of their own (Packing::alone): a Node peer
  // answers a shared frame with one frame, which two large blocks would make too long.
  void ask(Purpose purpose, Fork fork, const ProofRequest& parts, bool manifest, Packing packing,
           Instant now);
  // Takes back what was asked for this block; true if it had been.
  bool cancel_block(BlockIndex index);
  // Wants to hear which blocks of the 2^21 around this one the peer has; said once for each such segment.
  void want(BlockIndex index);

  // -- Answering, with an encoded `data` message or with none, what take_requests() of this channel gave, by
  // its ticket. What the peer has cancelled or asked anew meanwhile is not sent.
  void answer(std::uint64_t ticket, Bytes data_message);
  void answer(std::uint64_t ticket, OutgoingFrame data_message);
  void refuse(std::uint64_t ticket, NoDataReason reason);
  bool still_wanted(std::uint64_t ticket) const;

  // -- Telling. After `local` changed: what the peer has to hear about it, and nothing twice.
  void local_changed();
  void blocks_stored(BlockRange blocks);
  void blocks_dropped(BlockRange blocks);
  // Shows a signed tree of this core unasked, as an encoded `data` message of request 0: its writer signed
  // another one for the same fork and length.
  void show_tree(Bytes data_message);

 private:
  void on_sync(const SyncMessage& sync);
  std::optional<SessionEnd> on_request(const Request& request);
  void on_cancel(std::uint64_t id);
  void on_data(Data&& data, const Slab& slab);
  void on_no_data(const NoData& message);
  void on_want(const Want& want);
  void on_unwant(const Unwant& unwant);
  void on_bitfield(const BitfieldMessage& message);
  void on_range(const RangeMessage& message);

  void give_up(Asked asked);
  SyncMessage wanted_sync() const;
  void tell_contiguous();
  bool remote_holds(BlockRange blocks) const;
  void tell_range(BlockRange blocks, bool drop);
  bool wants(BlockRange blocks) const;
  std::optional<std::uint64_t> finish_request(std::uint64_t ticket);
  std::uint64_t fresh_request_id();
  void forget_asked(std::unordered_map<std::uint64_t, Asked>::iterator at);
  template <class Message>
  void send(const Message& message, Packing packing = Packing::shared);

  const LocalCore& local_;
  Mux& mux_;
  const Limits& limits_;
  LocalId id_{};
  Role role_ = Role::initiator;
  Hash expected_capability_;
  bool open_ = false;
  bool paused_ = false;
  bool remote_changed_ = false;
  bool upgrade_refused_ = false;  // asked in vain; not again before the peer's state changes

  RemoteState remote_;
  HaveSet remote_has_;
  std::vector<BlockRange> remote_wants_;  // at most a few: the wire knows only segments
  std::optional<SyncMessage> told_;       // the last sync we sent
  Length told_contiguous_;

  std::unordered_map<std::uint64_t, Asked> asked_;
  std::unordered_map<std::uint64_t, std::uint64_t> asked_block_;  // block index -> request id
  std::vector<std::uint64_t> free_ids_;
  std::uint64_t highest_id_ = 0;
  std::vector<std::uint64_t> wanted_segments_;

  struct Pending {
    std::uint64_t id;
    enum class State : std::uint8_t { queued, taken, cancelled } state = State::queued;
  };
  std::vector<IncomingRequest> requests_;               // in order; those no longer pending are passed over
  std::unordered_map<std::uint64_t, Pending> pending_;  // by ticket, until it is answered
  std::unordered_map<std::uint64_t, std::uint64_t> tickets_;  // by the peer's id, of what it still wants
  std::uint64_t last_ticket_ = 0;
  std::size_t trees_shown_ = 0;  // by the peer, unasked
  std::vector<IncomingData> data_;
  std::vector<Asked> unanswered_;
  Buffer scratch_words_;
};

}  // namespace sheaf
