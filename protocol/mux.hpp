// Many channels over one secret stream: Protomux 3.12, on whole frames (the stream's plaintexts).
//
// Format and rules: mux.md; bounds: L6, L7, L15. What is heard:
//   1. while intake() is wants_frame, give the next frame to receive(); its bytes stay in place until intake()
//      is wants_frame again, because entries of a batch are read as their events are pulled;
//   2. pull next_event() until it gives nothing, after every receive(), on_time() and command;
//   3. then look at intake(): has_more means that one slice (Limits::batch_slice entries) is done and others
//      may have their turn before next_event() is called again; awaits_decision means that nothing more is
//      read until a pending open is decided or expires; ended, that the mux failed and stays so.
// Views in an event live until the next non-const call.
//
// What is said: commands write into frames that next_frame() gives out when the caller is ready to send;
// messages that wait together share a batch. An open is accepted by opening a channel of the same identity.
// Peer's faults arrive as MuxFailed, once; misuse breaks an invariant. Calls are made one at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "protocol/codec.hpp"
#include "protocol/outgoing_frame.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/session_end.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

// The number that a channel has on our side, and on the other. Ids are used again after a close.
struct LocalId {
  std::uint32_t value{};
  auto operator<=>(const LocalId&) const = default;
};
struct RemoteId {
  std::uint32_t value{};
  auto operator<=>(const RemoteId&) const = default;
};
// Names one open of the other side that awaits our decision; never used again.
struct OpenTicket {
  std::uint64_t value{};
  auto operator<=>(const OpenTicket&) const = default;
};

// The other side opened a channel that we have not: answer with open() of the same identity, or reject().
// Until then its messages are parked. `protocol` is not checked to be UTF-8; the alias "hypercore" is shown
// as "hypercore/alpha".
struct OpenRequested {
  OpenTicket ticket;
  std::string_view protocol;
  Bytes id;
  Bytes handshake;
};
// A pending open needs no decision any more: it grew too old, was closed again, or another one of its identity
// was accepted. It has been rejected.
struct OpenWithdrawn {
  OpenTicket ticket;
};
// Both sides have opened it. Messages that were parked follow before anything else is read.
struct ChannelOpened {
  LocalId channel;
  Bytes handshake;  // the other side's
};
struct ChannelMessage {
  LocalId channel;
  std::uint64_t type;
  Bytes body;
};
// The channel is gone and its id free: the other side closed it, or refused to open it.
struct ChannelClosed {
  LocalId channel;
  bool rejected;
};
struct MuxFailed {
  SessionEnd reason;
};
using MuxEvent =
    std::variant<OpenRequested, OpenWithdrawn, ChannelOpened, ChannelMessage, ChannelClosed, MuxFailed>;

enum class Intake {
  wants_frame,      // the last frame is done with
  has_more,         // of the present frame, or parked: call next_event()
  awaits_decision,  // too much is parked for pending opens: open() or reject(), or wait for on_time()
  ended             // failed
};

// How a message leaves: with its neighbours in one batch, or in a frame of its own. The other side may answer a
// batch of requests with one batch, so requests for big blocks go alone (replication.md, trap 23).
enum class Packing { shared, alone };

class Mux {
 public:
  explicit Mux(const Limits& limits);
  ~Mux();
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;

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
    end_message(packing);
  }
  void send_frame(LocalId channel, std::uint64_t type, OutgoingFrame body);

  // --- What is to be sent: the oldest finished frame, or the one under construction. Nothing: all is said.
  std::optional<OutgoingFrame> next_frame();
  std::size_t queued_bytes() const;  // in frames not given out yet

  std::size_t channel_count() const;  // open, opening, or closed by us and not yet answered
  std::size_t pending_opens() const;

 private:
  Writer begin_message(LocalId channel, std::uint64_t type, Packing packing);
  void end_message(Packing packing);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sheaf
