#include "protocol/mux.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/mux_format.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// Hypercore once named its protocol without a version, and the reference still pairs the two names.
ChannelIdentity canonical(ChannelIdentity identity) {
  if (identity.protocol == "hypercore") identity.protocol = "hypercore/alpha";
  return identity;
}

bool same(ChannelIdentity a, ChannelIdentity b) { return a.protocol == b.protocol && equal(a.id, b.id); }

// What the reference counts for a parked message besides its body.
constexpr std::size_t parked_message_cost = 512;

constexpr std::uint64_t most_id = std::numeric_limits<std::uint32_t>::max();

}  // namespace

// --- What is heard.

void Mux::receive(Bytes frame, Instant now) {
  invariant(intake() == Intake::wants_frame, "a frame is given when the mux wants one");
  now_ = now;
  reader_.load(frame);
}

std::optional<MuxEvent> Mux::next_event() {
  while (true) {
    if (failure_) {
      if (std::exchange(failure_told_, true)) return std::nullopt;
      return MuxFailed{*failure_};
    }
    if (direct_) return std::exchange(direct_, std::nullopt);
    if (!queued_.empty()) return pop_queued();

    FrameEntry entry;
    if (held_) {
      entry = *held_;
    } else {
      if (steps_ == limits_->batch_slice) break;
      ++steps_;
      switch (reader_.next(entry)) {
        case FrameReader::Step::entry: break;
        case FrameReader::Step::passed: continue;
        case FrameReader::Step::drained: steps_ = 0; return std::nullopt;
        case FrameReader::Step::malformed_message: fail(SessionEnd::malformed_message); continue;
        case FrameReader::Step::malformed_batch: fail(SessionEnd::malformed_batch); continue;
      }
    }
    held_.reset();
    if (!take(entry)) {
      held_ = entry;
      break;
    }
  }
  steps_ = 0;
  return std::nullopt;
}

Intake Mux::intake() const {
  if (failure_) return failure_told_ ? Intake::ended : Intake::has_more;
  if (!queued_.empty()) return Intake::has_more;
  if (held_) return Intake::awaits_decision;
  return reader_.drained() ? Intake::wants_frame : Intake::has_more;
}

std::optional<Instant> Mux::next_deadline() const {
  if (pending_.empty()) return std::nullopt;
  return pending_.front().deadline;
}

void Mux::on_time(Instant now) {
  now_ = now;
  while (!pending_.empty() && pending_.front().deadline <= now) withdraw(pending_.begin());
}

bool Mux::take(const FrameEntry& entry) {
  if (entry.channel == control_channel) return take_control(entry);
  if (entry.channel > most_id) return true;
  const RemoteId remote{static_cast<std::uint32_t>(entry.channel)};
  if (const auto channel = channels_.paired(remote)) {
    direct_ = ChannelMessage{*channel, entry.type, entry.body};
    return true;
  }
  if (channels_.is_pending(remote)) return park(remote, entry);
  return true;  // of a channel that is closed or never was: it may have been on its way
}

bool Mux::take_control(const FrameEntry& entry) {
  if (entry.type == type_number(ControlType::open)) return take_open(entry.body);
  if (entry.type == type_number(ControlType::reject)) take_reject(entry.body);
  if (entry.type == type_number(ControlType::close)) take_close(entry.body);
  return true;
}

bool Mux::take_open(Bytes body) {
  Reader in(body);
  const std::uint64_t number = in.uint();
  const std::string_view protocol = in.text();
  const Bytes id = in.buffer();
  const RemoteId remote{static_cast<std::uint32_t>(std::min(number, most_id))};
  if (!in.ok() || body.size() > limits_->pending_open_bytes || number > most_id ||
      !channels_.may_open(remote)) {
    fail(SessionEnd::malformed_open);
    return true;
  }
  if (number > limits_->channels_session) {
    fail(SessionEnd::channel_flood);
    return true;
  }
  channels_.saw(remote);

  const ChannelIdentity identity = canonical({protocol, id});
  if (protocol.size() > limits_->protocol_name_bytes || id.size() > limits_->channel_id_bytes) {
    say_reject(remote);
  } else if (const auto abandoned = channels_.abandoned(identity)) {
    channels_.remove(*abandoned);  // the answer to an open that we took back: our close is on its way
  } else if (const auto channel = channels_.live(identity); !channel) {
    return keep_pending(remote, identity, in.rest());
  } else if (channels_.state(*channel) == ChannelTable::State::opening) {
    channels_.pair(*channel, remote);
    direct_ = ChannelOpened{*channel, in.rest()};
  } else {
    say_reject(remote);  // one channel an identity; the one that is open stays as it is
  }
  return true;
}

bool Mux::keep_pending(RemoteId remote, ChannelIdentity identity, Bytes handshake) {
  const std::size_t cost = identity.protocol.size() + identity.id.size() + handshake.size();
  if (!pending_.empty() && (pending_.size() >= limits_->pending_opens || !room_for(cost))) return false;
  const OpenTicket ticket{++tickets_};
  pending_.push_back({ticket,
                      remote,
                      std::string(identity.protocol),
                      to_buffer(identity.id),
                      to_buffer(handshake),
                      {},
                      cost,
                      now_ + limits_->pending_open_ms});
  pending_cost_ += cost;
  channels_.hold(remote);
  direct_ = OpenRequested{ticket, identity.protocol, identity.id, handshake};
  return true;
}

void Mux::take_reject(Bytes body) {
  Reader in(body);
  const std::uint64_t number = in.uint();
  const LocalId channel{static_cast<std::uint32_t>(std::min(number, most_id))};
  if (!in.ok() || number > most_id) return fail(SessionEnd::malformed_reject);
  switch (channels_.state(channel)) {
    case ChannelTable::State::opening:
      channels_.remove(channel);
      direct_ = ChannelClosed{channel, true};
      break;
    case ChannelTable::State::abandoned: channels_.remove(channel); break;
    case ChannelTable::State::free:
    case ChannelTable::State::open: fail(SessionEnd::malformed_reject); break;
  }
}

void Mux::take_close(Bytes body) {
  Reader in(body);
  const std::uint64_t number = in.uint();
  if (!in.ok()) return fail(SessionEnd::malformed_message);
  if (number > most_id) return;
  const RemoteId remote{static_cast<std::uint32_t>(number)};
  if (const auto channel = channels_.paired(remote)) {
    channels_.remove(*channel);
    direct_ = ChannelClosed{*channel, false};
  } else if (channels_.is_pending(remote)) {
    // Answered at once, because the other side keeps the number until it has an answer. The reference
    // goes on to decide, and may then hold a channel that its peer has forgotten.
    withdraw(std::find_if(pending_.begin(), pending_.end(),
                          [&](const Pending& pending) { return pending.remote == remote; }));
  }
}

bool Mux::park(RemoteId remote, const FrameEntry& entry) {
  const std::size_t cost = parked_message_cost + entry.body.size();
  if (!room_for(cost)) return false;
  const auto place = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& pending) { return pending.remote == remote; });
  invariant(place != pending_.end(), "a pending number has its open");
  place->parked.push_back({entry.type, to_buffer(entry.body)});
  place->cost += cost;
  pending_cost_ += cost;
  return true;
}

Mux::PendingPlace Mux::find_pending(ChannelIdentity identity) {
  return std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
    return same({pending.protocol, pending.id}, identity);
  });
}

Mux::Pending Mux::take_out(PendingPlace place) {
  Pending pending = std::move(*place);
  pending_.erase(place);
  pending_cost_ -= pending.cost;
  channels_.release(pending.remote);
  return pending;
}

void Mux::withdraw(PendingPlace place) {
  const Pending pending = take_out(place);
  say_reject(pending.remote);
  queued_.push_back({OpenWithdrawn{pending.ticket}, {}});
}

std::optional<MuxEvent> Mux::pop_queued() {
  told_ = std::move(queued_.front().bytes);
  const MuxEvent event = queued_.front().event;
  queued_.pop_front();
  return event;
}

void Mux::fail(SessionEnd reason) {
  if (!failure_) failure_ = reason;
}

// --- Commands.

LocalId Mux::open(std::string_view protocol, Bytes id, Bytes handshake) {
  invariant(protocol.size() <= limits_->protocol_name_bytes && id.size() <= limits_->channel_id_bytes,
            "a channel is named within the limits");
  const ChannelIdentity identity = canonical({protocol, id});
  const LocalId channel = channels_.add(identity);
  Writer out = writer_.begin(control_channel, type_number(ControlType::open), Packing::shared);
  out.uint(channel.value);
  out.text(protocol);
  out.buffer(id);
  out.raw(handshake);
  writer_.end();

  auto place = find_pending(identity);
  if (place == pending_.end()) return channel;
  Pending pending = take_out(place);
  channels_.pair(channel, pending.remote);
  const Bytes theirs = pending.handshake;
  queued_.push_back({ChannelOpened{channel, theirs}, std::move(pending.handshake)});
  for (Parked& parked : pending.parked) {
    const Bytes body = parked.body;
    queued_.push_back({ChannelMessage{channel, parked.type, body}, std::move(parked.body)});
  }
  while ((place = find_pending(identity)) != pending_.end()) withdraw(place);
  return channel;
}

bool Mux::has_channel(std::string_view protocol, Bytes id) const {
  return channels_.has(canonical({protocol, id}));
}

void Mux::reject(OpenTicket ticket) {
  const auto place = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& pending) { return pending.ticket == ticket; });
  if (place != pending_.end()) say_reject(take_out(place).remote);
}

void Mux::say_reject(RemoteId remote) {
  Writer out = writer_.begin(control_channel, type_number(ControlType::reject), Packing::shared);
  out.uint(remote.value);
  writer_.end();
  if (++rejects_ > limits_->rejects_session) fail(SessionEnd::channel_flood);
}

void Mux::close(LocalId channel) {
  invariant(may_send(channel), "only a channel that is open or opening is closed");
  Writer out = writer_.begin(control_channel, type_number(ControlType::close), Packing::shared);
  out.uint(channel.value);
  writer_.end();
  if (channels_.state(channel) == ChannelTable::State::opening) return channels_.abandon(channel);
  channels_.remove(channel);
  std::erase_if(queued_, [&](const Queued& queued) {
    const auto* opened = std::get_if<ChannelOpened>(&queued.event);
    const auto* message = std::get_if<ChannelMessage>(&queued.event);
    return (opened && opened->channel == channel) || (message && message->channel == channel);
  });
}

bool Mux::may_send(LocalId channel) const {
  const ChannelTable::State state = channels_.state(channel);
  return state == ChannelTable::State::opening || state == ChannelTable::State::open;
}

Writer Mux::begin_message(LocalId channel, std::uint64_t type, Packing packing) {
  invariant(may_send(channel), "messages go through channels that are open or opening");
  return writer_.begin(channel.value, type, packing);
}

void Mux::send(LocalId channel, std::uint64_t type, Bytes body, Packing packing) {
  invariant(may_send(channel), "messages go through channels that are open or opening");
  writer_.add(channel.value, type, body, packing);
}

void Mux::send_frame(LocalId channel, std::uint64_t type, OutgoingFrame body) {
  invariant(may_send(channel), "messages go through channels that are open or opening");
  writer_.add_frame(channel.value, type, std::move(body));
}

}  // namespace sheaf
