// Many channels over one secret stream: Protomux 3.12, on whole frames (the stream's plaintexts).
//
// Format and rules: docs/wire.md, Mux; bounds: L6, L7, L15. What is heard:
//   1. while intake() is wants_frame, give the next frame to receive(); its bytes stay in place until
//   intake()
//      is wants_frame again, because entries of a batch are read as their events are pulled;
//   2. pull next_event() until it gives nothing, after every receive(), on_time() and command;
//   3. then look at intake(): has_more means that one slice (Limits::batch_slice entries) is done and others
//      may have their turn before next_event() is called again; awaits_decision means that nothing more is
//      read until a pending open is decided or expires; ended, that the mux failed and stays so.
//
// What is said: commands write into frames that next_frame() gives out when the caller is ready to send;
// messages that wait together share a batch. An open is accepted by opening a channel of the same identity.
// Peer's faults arrive as MuxFailed, once; misuse breaks an invariant. Calls are made one at a time.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/channel_table.hpp"
#include "protocol/frame_reader.hpp"
#include "protocol/frame_writer.hpp"
#include "protocol/mux_event.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

enum class Intake {
  wants_frame,      // the last frame is done with
  has_more,         // of the present frame, or parked: call next_event()
  awaits_decision,  // too much is parked for pending opens: open() or reject(), or wait for on_time()
  ended             // failed
};

class Mux {
 public:
  explicit Mux(const Limits& limits) : limits_(&limits) {}  // the limits outlive it

  // --- What is heard. Requires for receive(): intake() is wants_frame.
  void receive(Bytes frame, Instant now);
  std::optional<MuxEvent> next_event();
  Intake intake() const;

  // When the oldest pending open is rejected.
  std::optional<Instant> next_deadline() const;
  void on_time(Instant now);

  // --- Commands.
  // Says open. Pairs with the oldest pending open of this identity; then ChannelOpened follows at once.
  // Requires: no channel of this identity is open or opening; protocol and id within Limits.
  LocalId open(std::string_view protocol, Bytes id, Bytes handshake);
  bool has_channel(std::string_view protocol, Bytes id) const;
  // Refuses a pending open and drops what was parked for it. Nothing happens if it was withdrawn.
  void reject(OpenTicket ticket);
  // Says close; no more events of this channel follow. Requires: it is open or opening.
  void close(LocalId channel);

  // Says one message, given as bytes, or as a function that writes its body where it will lie, or in a frame
  // of its own that needs no copy. Requires: the channel is open or opening.
  void send(LocalId channel, std::uint64_t type, Bytes body, Packing packing = Packing::shared);
  template <class WriteBody>
  void send_with(LocalId channel, std::uint64_t type, WriteBody&& write_body,
                 Packing packing = Packing::shared) {
    Writer body = begin_message(channel, type, packing);
    write_body(body);
    writer_.end();
  }
  void send_frame(LocalId channel, std::uint64_t type, OutgoingFrame body);

  // --- What is to be sent: the oldest finished frame, or the one under construction. Nothing: all is said.
  std::optional<OutgoingFrame> next_frame() { return writer_.next_frame(); }
  std::size_t queued_bytes() const { return writer_.queued_bytes(); }  // not given out yet

  std::size_t channel_count() const { return channels_.size(); }  // opening, open, or closed but not answered
  std::size_t pending_opens() const { return pending_.size(); }

 private:
  // A message of a channel that we have not opened yet.
  struct Parked {
    std::uint64_t type;
    Buffer body;
  };
  struct Pending {
    OpenTicket ticket;
    RemoteId remote;
    std::string protocol;
    Buffer id;
    Buffer handshake;
    std::vector<Parked> parked;
    std::size_t cost;  // of all this, as L6 counts
    Instant deadline;
  };
  // An event that waits for its turn, with bytes of its own.
  struct Queued {
    MuxEvent event;
    Buffer bytes;
  };
  using PendingPlace = std::vector<Pending>::iterator;

  // What is heard, entry by entry; false: there is no room for it before a pending open is decided.
  bool take(const FrameEntry& entry);
  bool take_control(const FrameEntry& entry);
  bool take_open(Bytes body);
  void take_reject(Bytes body);
  void take_close(Bytes body);
  bool park(RemoteId remote, const FrameEntry& entry);

  bool keep_pending(RemoteId remote, ChannelIdentity identity, Bytes handshake);
  bool room_for(std::size_t cost) const { return pending_cost_ + cost <= limits_->pending_open_bytes; }
  PendingPlace find_pending(ChannelIdentity identity);
  Pending take_out(PendingPlace place);
  void withdraw(PendingPlace place);
  void say_reject(RemoteId remote);

  Writer begin_message(LocalId channel, std::uint64_t type, Packing packing);
  bool may_send(LocalId channel) const;
  std::optional<MuxEvent> pop_queued();
  void fail(SessionEnd reason);

  const Limits* limits_;
  Instant now_;
  ChannelTable channels_;

  FrameReader reader_;
  std::optional<FrameEntry> held_;  // read, but not taken: the present frame waits
  std::size_t steps_ = 0;           // of the present slice
  std::optional<MuxEvent> direct_;  // what the present entry says
  std::deque<Queued> queued_;       // what comes before the next entry
  Buffer told_;                     // the bytes of the queued event that was told last

  std::vector<Pending> pending_;  // the oldest first
  std::size_t pending_cost_ = 0;
  std::uint64_t tickets_ = 0;
  std::size_t rejects_ = 0;

  FrameWriter writer_;

  std::optional<SessionEnd> failure_;
  bool failure_told_ = false;
};

}  // namespace sheaf
