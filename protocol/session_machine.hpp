// One connection, whole: secret stream, mux and the channels of its cores, behind the face of every machine.
//
//   secret stream -> mux -> core channels, a coordinator channel -> what their owner takes
//
// Its events are pulled with next_event() after every received(), on_time(), stream_ended() and command,
// until there is none; then take_touched() names the channels that have something for their owner. The owner
// answers and asks through the channels, and calls flush() when done: what was said since leaves in shared
// frames. The session owns its channels; a pointer is good until the event that says the channel is gone was
// followed by the next call of next_event().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/coordinator_channel.hpp"
#include "protocol/core_channel.hpp"
#include "protocol/machine.hpp"
#include "protocol/mux.hpp"
#include "protocol/secret_stream.hpp"

namespace sheaf {

// The handshake is through: we know who the other side is, and channels may be opened.
struct SessionSecured {
  PublicKey remote_key;
};
// The other side opened the channel of a core: answer with open_core() or reject().
struct CoreRequested {
  OpenTicket ticket;
  DiscoveryKey core;
};
// Both sides have opened it and the other one has proven that it knows the key.
struct CoreOpened {
  CoreChannel* channel;
};
// The other side closed it or refused to open it, or the session is ending.
struct CoreClosed {
  CoreChannel* channel;
  bool rejected;
};
// The session is over, for this one reason; every open channel was said to be closed before. Comes once,
// last.
struct SessionEnded {
  SessionEnd reason;
};
using SessionEvent = std::variant<SessionSecured, CoreRequested, CoreOpened, CoreClosed, SessionEnded>;

class SessionMachine final : public Machine {
 public:
  // Limits, pool and random source outlive it.
  SessionMachine(const Limits& limits, SlabPool& pool, RandomSource& random, SecretStream::Options options,
                 Instant now);
  ~SessionMachine() override;

  // -- Machine.
  MutableBytes room() override;
  void received(std::size_t bytes, Instant now) override;
  bool wants_bytes() const override;
  void stream_ended(Instant now) override;
  void stream_broke(Instant now) override;
  std::size_t outgoing(std::span<Bytes> out) const override;
  void sent(std::size_t bytes, Instant now) override;
  std::optional<Instant> next_deadline() const override;
  void on_time(Instant now) override;
  bool finished() const override;

  // -- What happened.
  std::optional<SessionEvent> next_event();
  // One slice of work is done and more waits: call next_event() again after others had their turn.
  bool has_more() const { return has_more_; }
  // Channels with requests, data or news to take, each once.
  std::vector<CoreChannel*> take_touched();

  // -- Commands. Requires for these: secured(), and no channel of this core yet. `local` outlives the
  // session.
  CoreChannel& open_core(const LocalCore& local);
  void reject(OpenTicket ticket);
  void close_core(CoreChannel& channel);  // no more events of it follow; the pointer is void
  bool has_core(const DiscoveryKey& core) const;
  // Opens the channel of a bundle, once. Requires: secured(). `local` outlives the session.
  CoordinatorChannel& open_coordinator(CoordinatorLocal& local, CoordinatorChannel::Options options);
  // The one that was opened, also after it was closed.
  CoordinatorChannel* coordinator() { return coordinator_ ? &*coordinator_ : nullptr; }
  // Something came in on it, its time came, or it was closed, since the last call.
  bool take_coordinator_touched() { return std::exchange(coordinator_touched_, false); }

  // Moves what was said to the stream.
  void flush();
  // Ends the session from our side; what was said before still goes out.
  void end(SessionEnd reason);

  bool secured() const { return stream_.secured(); }
  std::optional<SessionEnd> ended() const { return stream_.ended(); }
  const PublicKey& remote_key() const { return stream_.remote_key(); }
  Role role() const { return stream_.role(); }
  // Bytes said and not sent; above the high water nothing more should be served.
  std::size_t queued_bytes() const { return stream_.queued_bytes() + mux_.queued_bytes(); }
  bool has_send_room() const { return queued_bytes() < limits_.send_high_water_bytes; }
  std::uint64_t account_id() const { return stream_.account_id(); }
  // Messages (not keep-alives) heard so far: a quiet peer does not move it.
  std::uint64_t messages_heard() const { return messages_heard_; }

 private:
  std::optional<SessionEvent> next_mux_event();
  std::optional<SessionEvent> on(const OpenRequested& event);
  std::optional<SessionEvent> on(const ChannelOpened& event);
  std::optional<SessionEvent> on(const ChannelMessage& event);
  std::optional<SessionEvent> on(const ChannelClosed& event);
  bool may_read() const;
  void tell_reading();
  void touch(CoreChannel& channel);
  bool is_coordinator(LocalId channel) const;
  void count_failed_proof();
  Slab slab_of(Bytes body);

  const Limits& limits_;
  SecretStream stream_;
  Mux mux_;
  SlabAccount parked_account_;  // for messages that waited for their channel to be opened
  std::optional<StreamMessage> message_;
  std::map<LocalId, std::unique_ptr<CoreChannel>> channels_;
  std::unique_ptr<CoreChannel> gone_;  // of the last CoreClosed event
  std::vector<CoreChannel*> touched_;
  std::optional<CoordinatorChannel> coordinator_;
  bool coordinator_touched_ = false;
  std::size_t failed_proofs_ = 0;
  Instant now_;
  std::uint64_t messages_heard_ = 0;
  bool told_secured_ = false;
  bool told_ended_ = false;
  bool has_more_ = false;
};

}  // namespace sheaf
