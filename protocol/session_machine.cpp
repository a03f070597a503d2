#include "protocol/session_machine.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

namespace {

// So many opens of the bundle's channel that prove nothing end a session.
constexpr std::size_t failed_proofs_most = 3;

}  // namespace

SessionMachine::SessionMachine(const Limits& limits, SlabPool& pool, RandomSource& random,
                               SecretStream::Options options, Instant now)
    : limits_(limits),
      stream_(limits, pool, random, std::move(options), now),
      mux_(limits),
      parked_account_(pool),
      now_(now) {}

SessionMachine::~SessionMachine() = default;

MutableBytes SessionMachine::room() { return stream_.room(); }

void SessionMachine::received(std::size_t bytes, Instant now) {
  now_ = now;
  stream_.received(bytes, now);
}

// A session reads on while every message it would bring can be held.
bool SessionMachine::may_read() const {
  if (mux_.intake() == Intake::awaits_decision) return false;
  if (stream_.queued_bytes() > limits_.send_most_bytes / 2) return false;
  std::size_t pending = 0;
  for (const auto& [id, channel] : channels_) {
    if (!channel->wants_input()) return false;
    pending += channel->pending_requests();
  }
  return pending < limits_.requests_session;
}

// What we leave unread while we cannot hold it is not the other side's silence.
void SessionMachine::tell_reading() { stream_.reading(may_read(), now_); }

bool SessionMachine::wants_bytes() const { return !has_more_ && stream_.wants_bytes() && may_read(); }

void SessionMachine::stream_ended(Instant now) {
  now_ = now;
  stream_.stream_ended(now);
}

void SessionMachine::stream_broke(Instant now) {
  now_ = now;
  stream_.stream_broke(now);
}

std::size_t SessionMachine::outgoing(std::span<Bytes> out) const { return stream_.outgoing(out); }

void SessionMachine::sent(std::size_t bytes, Instant now) {
  now_ = now;
  stream_.sent(bytes, now);
  tell_reading();
}

std::optional<Instant> SessionMachine::next_deadline() const {
  std::optional<Instant> next;
  const auto consider = [&](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (finished()) return next;
  consider(stream_.next_deadline());
  consider(mux_.next_deadline());
  if (coordinator_) consider(coordinator_->next_deadline());
  return next;
}

void SessionMachine::on_time(Instant now) {
  now_ = now;
  tell_reading();
  stream_.on_time(now);
  mux_.on_time(now);
  if (!coordinator_ || finished()) return;
  const auto due = coordinator_->next_deadline();
  if (!due || *due > now) return;
  coordinator_->on_time(now);
  coordinator_touched_ = true;
}

bool SessionMachine::finished() const { return stream_.finished(); }

std::optional<SessionEvent> SessionMachine::next_event() {
  gone_.reset();
  has_more_ = false;
  if (!stream_.finished() && stream_.secured() && !told_secured_) {
    told_secured_ = true;
    return SessionSecured{stream_.remote_key()};
  }
  if (auto event = next_mux_event()) return event;
  if (stream_.finished() && !told_ended_) {
    if (coordinator_) coordinator_->closed(false);
    if (!channels_.empty()) {
      gone_ = std::move(channels_.begin()->second);
      channels_.erase(channels_.begin());
      std::erase(touched_, gone_.get());
      gone_->close();
      return CoreClosed{gone_.get(), false};
    }
    told_ended_ = true;
    return SessionEnded{*stream_.ended()};
  }
  return std::nullopt;
}

std::optional<SessionEvent> SessionMachine::next_mux_event() {
  while (!told_ended_) {
    while (auto event = mux_.next_event()) {
      std::optional<SessionEvent> out;
      if (const auto* requested = std::get_if<OpenRequested>(&*event)) {
        out = on(*requested);
      } else if (const auto* opened = std::get_if<ChannelOpened>(&*event)) {
        out = on(*opened);
      } else if (const auto* message = std::get_if<ChannelMessage>(&*event)) {
        out = on(*message);
      } else if (const auto* closed = std::get_if<ChannelClosed>(&*event)) {
        out = on(*closed);
      } else if (const auto* failed = std::get_if<MuxFailed>(&*event)) {
        stream_.end(failed->reason);
      }
      // One frame can ask for far more than it weighs: what is said in reply counts as it is made.
      if (mux_.queued_bytes() > limits_.send_high_water_bytes) flush();
      if (out) return out;
      if (stream_.finished() && stream_.ended() != SessionEnd::remote_ended) return std::nullopt;
    }
    switch (mux_.intake()) {
      case Intake::has_more: has_more_ = true; return std::nullopt;
      case Intake::awaits_decision:
      case Intake::ended: return std::nullopt;
      case Intake::wants_frame: break;
    }
    message_.reset();
    tell_reading();
    if (!may_read()) return std::nullopt;
    message_ = stream_.next_message();
    if (!message_) return std::nullopt;
    ++messages_heard_;
    mux_.receive(message_->plain, now_);
  }
  return std::nullopt;
}

std::optional<SessionEvent> SessionMachine::on(const OpenRequested& event) {
  if (event.protocol != core_protocol || event.id.size() != DiscoveryKey::size) {
    // Ours is open already, or was closed: who comes again has failed its proof.
    if (coordinator_ && coordinator_->ending().proof_failed && event.protocol == coordinator::protocol_name &&
        equal(event.id, coordinator_->topic().bytes()))
      count_failed_proof();
    mux_.reject(event.ticket);  // a protocol that we do not speak
    return std::nullopt;
  }
  return CoreRequested{event.ticket, DiscoveryKey::from(event.id)};
}

bool SessionMachine::is_coordinator(LocalId channel) const {
  return coordinator_ && coordinator_->id() == channel &&
         coordinator_->state() != CoordinatorChannel::State::closed;
}

void SessionMachine::count_failed_proof() {
  if (++failed_proofs_ >= failed_proofs_most) stream_.end(SessionEnd::invalid_capability);
}

std::optional<SessionEvent> SessionMachine::on(const ChannelOpened& event) {
  if (is_coordinator(event.channel)) {
    coordinator_touched_ = true;
    if (const auto wrong = coordinator_->opened(event.handshake, now_)) stream_.end(*wrong);
    if (coordinator_->ending().proof_failed) count_failed_proof();
    return std::nullopt;
  }
  const auto found = channels_.find(event.channel);
  invariant(found != channels_.end(), "an opened channel is ours");
  CoreChannel& channel = *found->second;
  if (const auto wrong = channel.opened(event.handshake, now_)) {
    stream_.end(*wrong);
    return std::nullopt;
  }
  touch(channel);
  return CoreOpened{&channel};
}

std::optional<SessionEvent> SessionMachine::on(const ChannelMessage& event) {
  if (is_coordinator(event.channel)) {
    coordinator_touched_ = true;
    if (const auto wrong = coordinator_->receive(event.type, event.body, now_)) stream_.end(*wrong);
    return std::nullopt;
  }
  const auto found = channels_.find(event.channel);
  if (found == channels_.end()) return std::nullopt;
  CoreChannel& channel = *found->second;
  const Slab slab = slab_of(event.body);
  Bytes body = event.body;
  if (!message_ || slab.bytes().data() != message_->slab.bytes().data())
    body = Bytes(slab.bytes()).first(body.size());
  if (const auto wrong = channel.receive(event.type, body, slab, now_)) stream_.end(*wrong);
  touch(channel);
  return std::nullopt;
}

// The memory that a message lies in: the stream's, or a copy for one that was parked in the mux.
Slab SessionMachine::slab_of(Bytes body) {
  if (message_) {
    const Bytes plain = message_->plain;
    const std::less_equal<const std::byte*> at_most;
    if (at_most(plain.data(), body.data()) && at_most(body.data() + body.size(), plain.data() + plain.size()))
      return message_->slab;
  }
  Slab copy = parked_account_.take(std::max<std::size_t>(body.size(), 1));
  if (!copy) {
    stream_.end(SessionEnd::channel_flood);
    return copy;
  }
  if (!body.empty()) std::memcpy(copy.bytes().data(), body.data(), body.size());
  return copy;
}

std::optional<SessionEvent> SessionMachine::on(const ChannelClosed& event) {
  if (is_coordinator(event.channel)) {
    coordinator_touched_ = true;
    coordinator_->closed(event.rejected);
    return std::nullopt;
  }
  const auto found = channels_.find(event.channel);
  if (found == channels_.end()) return std::nullopt;
  gone_ = std::move(found->second);
  channels_.erase(found);
  std::erase(touched_, gone_.get());
  gone_->close();
  return CoreClosed{gone_.get(), event.rejected};
}

void SessionMachine::touch(CoreChannel& channel) {
  if (std::ranges::find(touched_, &channel) == touched_.end()) touched_.push_back(&channel);
}

std::vector<CoreChannel*> SessionMachine::take_touched() { return std::exchange(touched_, {}); }

CoreChannel& SessionMachine::open_core(const LocalCore& local) {
  invariant(secured(), "channels are opened after the handshake");
  auto channel = std::make_unique<CoreChannel>(local, mux_, limits_);
  channel->open(stream_.role(), stream_.handshake_hash());
  const LocalId id = channel->id();
  return *(channels_[id] = std::move(channel));
}

void SessionMachine::reject(OpenTicket ticket) { mux_.reject(ticket); }

void SessionMachine::close_core(CoreChannel& channel) {
  const auto found = channels_.find(channel.id());
  invariant(found != channels_.end() && found->second.get() == &channel, "only our own channel is closed");
  std::erase(touched_, &channel);
  mux_.close(channel.id());
  channels_.erase(found);
}

bool SessionMachine::has_core(const DiscoveryKey& core) const {
  return mux_.has_channel(core_protocol, core.bytes());
}

CoordinatorChannel& SessionMachine::open_coordinator(CoordinatorLocal& local,
                                                     CoordinatorChannel::Options options) {
  invariant(secured() && !coordinator_, "a bundle's channel is opened once, after the handshake");
  coordinator_.emplace(local, mux_, limits_, options);
  coordinator_->open(stream_.role(), stream_.handshake_hash(), now_);
  return *coordinator_;
}

void SessionMachine::flush() {
  if (stream_.finished()) return;
  while (auto frame = mux_.next_frame()) stream_.send(std::move(*frame));
  tell_reading();
}

void SessionMachine::end(SessionEnd reason) {
  if (stream_.finished()) return;
  flush();
  stream_.end(reason);
}

}  // namespace sheaf
