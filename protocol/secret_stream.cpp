#include "protocol/secret_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/limits.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

constexpr std::size_t prefix_bytes = limits::frame_prefix_bytes;
constexpr std::size_t frame_overhead = prefix_bytes + limits::stream_overhead_bytes;

void write_prefix(MutableBytes frame) {
  const std::size_t body = frame.size() - prefix_bytes;
  for (std::size_t i = 0; i < prefix_bytes; ++i) frame[i] = static_cast<std::byte>(body >> (8 * i));
}

Instant after(Instant at, Limits::milliseconds time) {
  const auto left = std::chrono::duration_cast<Limits::milliseconds>(Duration::max() - at.since_origin);
  return time >= left ? Instant{Duration::max()} : at + Duration(time);
}

}  // namespace

SecretStream::SecretStream(const Limits& limits, SlabPool& pool, RandomSource& random, Options options,
                           Instant now)
    : limits_(&limits),
      random_(&random),
      role_(options.role),
      keep_alive_(options.keep_alive),
      own_key_(options.static_key.public_key),
      expected_remote_(options.expected_remote),
      admits_(std::move(options.admits)),
      account_(pool),
      in_(account_, limits),
      now_(now),
      began_(now),
      last_received_(now),
      last_sent_(now) {
  NoiseHandshake::Options noise;
  noise.pattern = options.pattern;
  noise.role = role_;
  noise.static_key = std::move(options.static_key);
  noise.remote_key = expected_remote_;
  handshake_.emplace(std::move(noise), random);
  speak();
}

SecretStream::SecretStream(const Limits& limits, SlabPool& pool, RandomSource& random, Role role,
                           HandshakeKeys keys, bool keep_alive, Instant now)
    : limits_(&limits),
      random_(&random),
      role_(role),
      keep_alive_(keep_alive),
      account_(pool),
      in_(account_, limits),
      now_(now),
      began_(now),
      last_received_(now),
      last_sent_(now) {
  secure(std::move(keys));
}

// --- Receiving.

std::size_t SecretStream::frame_bytes() const {
  const Bytes pending = in_.pending();
  if (pending.size() < prefix_bytes) return 0;
  std::size_t body = 0;
  for (std::size_t i = 0; i < prefix_bytes; ++i) body |= std::to_integer<std::size_t>(pending[i]) << (8 * i);
  return prefix_bytes + body;
}

bool SecretStream::whole_frame_pending() const {
  const std::size_t frame = frame_bytes();
  return frame != 0 && in_.pending().size() >= frame;
}

bool SecretStream::wants_bytes() const {
  if (end_ || stream_ended_ || !reading_) return false;
  const bool room = in_.has_room(frame_bytes());
  if (!room) starved_ = true;
  return room;
}

MutableBytes SecretStream::room() {
  if (end_) return {};
  return in_.room(frame_bytes());
}

void SecretStream::received(std::size_t bytes, Instant now) {
  now_ = std::max(now_, now);
  if (end_) return;
  in_.filled(bytes);
  last_received_ = now_;
  starved_ = false;
  window_bytes_ += bytes;
  take_openings();
  if (!end_) watch_partial_frame();
}

void SecretStream::stream_ended(Instant now) {
  now_ = std::max(now_, now);
  stream_ended_ = true;
  settle_stream_end();
}

void SecretStream::stream_broke(Instant now) {
  broke_ = true;
  stream_ended(now);
}

void SecretStream::reading(bool on, Instant now) {
  now_ = std::max(now_, now);
  if (on && !reading_) {
    last_received_ = window_ = now_;
    window_bytes_ = 0;
  }
  reading_ = on;
}

// The frames that have one exact size each: judged by their prefix, before anything is kept of them.
void SecretStream::take_openings() {
  while (receiving_ == Receiving::handshake || receiving_ == Receiving::header) {
    const std::size_t frame = frame_bytes();
    if (frame == 0) return;
    if (receiving_ == Receiving::handshake) {
      if (frame != prefix_bytes + handshake_->message_bytes()) return end(SessionEnd::handshake_frame_length);
    } else if (frame != prefix_bytes + limits::stream_header_bytes) {
      return end(SessionEnd::invalid_stream_header);
    }
    if (in_.pending().size() < frame) return;
    const Bytes body = in_.consume(frame).subspan(prefix_bytes);
    frame_since_.reset();
    if (receiving_ == Receiving::handshake)
      on_handshake_message(body);
    else
      on_header(body);
  }
}

void SecretStream::on_handshake_message(Bytes body) {
  if (!handshake_->read(body)) return end(SessionEnd::handshake_failed);
  const auto& remote = handshake_->remote_key();
  if (remote && !acceptable(*remote)) return;
  speak();
}

// Ends the stream if not. Asked before anything more is said, so a stranger learns nothing of us.
bool SecretStream::acceptable(const PublicKey& remote) {
  if (remote == own_key_) {
    end(SessionEnd::self_connection);
    return false;
  }
  if ((expected_remote_ && remote != *expected_remote_) || (admits_ && !admits_(remote))) {
    end(SessionEnd::refused_key);
    return false;
  }
  return true;
}

void SecretStream::on_header(Bytes body) {
  const Bytes id = body.first(Hash::size);
  if (!equal(id, stream_id(hash_, other(role_)).bytes())) return end(SessionEnd::invalid_stream_header);
  pull_.emplace(rx_, body.subspan(Hash::size));
  rx_ = {};
  receiving_ = Receiving::messages;
  in_.trust();
}

std::optional<StreamMessage> SecretStream::next_message() {
  while (receiving_ == Receiving::messages) {
    const std::size_t frame = frame_bytes();
    if (frame != 0 && frame < frame_overhead) {
      end(SessionEnd::invalid_frame);
      break;
    }
    if (frame == 0 || in_.pending().size() < frame) {
      in_.release_idle();
      watch_partial_frame();
      settle_stream_end();
      break;
    }
    const MutableBytes body = in_.consume(frame).subspan(prefix_bytes);
    const auto plain = pull_->open(body);
    if (!plain) {
      // What fails the MAC is left as it came: a second header can be told from an altered frame.
      const bool header_again = body.size() == limits::stream_header_bytes &&
                                equal(body.first(Hash::size), stream_id(hash_, other(role_)).bytes());
      end(header_again ? SessionEnd::invalid_stream_header : SessionEnd::decrypt_failed);
      break;
    }
    if (!plain->empty()) return StreamMessage{*plain, in_.slab()};
  }
  return std::nullopt;
}

// A frame that waits whole for its owner is no longer the other side's affair.
void SecretStream::watch_partial_frame() {
  const std::size_t pending = in_.pending().size();
  const bool partial = pending > 0 && !whole_frame_pending();
  if (!partial) frame_since_.reset();
  if (partial && !frame_since_) {
    frame_since_ = window_ = now_;
    window_bytes_ = 0;
  }
  const std::size_t large = partial && pending > SlabPool::slow_frame_bytes ? pending : 0;
  if (large != std::exchange(reported_partial_, large))
    account_.partial_frame(large, frame_since_.value_or(now_));
}

void SecretStream::settle_stream_end() {
  if (!stream_ended_ || end_) return;
  if (receiving_ == Receiving::messages && whole_frame_pending()) return;  // still to be delivered
  const bool clean = receiving_ == Receiving::messages && in_.pending().empty();
  end(broke_ ? SessionEnd::stream_error : clean ? SessionEnd::remote_ended : SessionEnd::truncated);
}

// --- Sending.

void SecretStream::speak() {
  while (handshake_->writes()) {
    const auto message = handshake_->write();
    if (!message) return end(SessionEnd::handshake_failed);
    Buffer frame(prefix_bytes);
    append(frame, *message);
    write_prefix(frame);
    out_.put(std::move(frame));
  }
  if (!handshake_->finished()) return;
  HandshakeKeys keys = handshake_->take_keys();
  handshake_.reset();
  secure(std::move(keys));
}

void SecretStream::secure(HandshakeKeys keys) {
  hash_ = keys.hash;
  remote_key_ = keys.remote_key;
  rx_ = std::move(keys.rx);
  secured_ = true;
  receiving_ = Receiving::header;

  const MutableBytes frame = out_.pack(prefix_bytes + limits::stream_header_bytes);
  write_prefix(frame);
  const MutableBytes body = frame.subspan(prefix_bytes);
  std::ranges::copy(stream_id(hash_, role_).value, body.begin());
  const MutableBytes header = body.subspan(Hash::size);
  random_->fill(header);
  push_.emplace(keys.tx, header);

  waiting_bytes_ = 0;
  for (OutgoingFrame& waited : std::exchange(waiting_, {})) seal(std::move(waited));
}

void SecretStream::send(OutgoingFrame frame) {
  invariant(frame.size() <= limits::message_bytes, "a message fits one frame");
  if (end_) return;
  if (secured_) {
    seal(std::move(frame));
  } else {
    waiting_bytes_ += frame.size() + frame_overhead;
    waiting_.push_back(std::move(frame));
  }
  bound_queue();
}

void SecretStream::send(Bytes plain) {
  if (secured_ && !end_ && plain.size() + frame_overhead <= SendQueue::small_bytes) {
    seal_small(plain);
    return bound_queue();
  }
  OutgoingFrame frame(plain.size());
  append(frame.tail(), plain);
  send(std::move(frame));
}

void SecretStream::seal(OutgoingFrame frame) {
  if (frame.size() + frame_overhead <= SendQueue::small_bytes) return seal_small(frame.content());
  constexpr std::array<std::byte, prefix_bytes + 1> prefix_and_tag{};
  frame.prepend(prefix_and_tag);
  frame.tail().resize(frame.tail().size() + OutgoingFrame::tailroom);
  write_prefix(frame.content());
  push_->seal(frame.content().subspan(prefix_bytes));
  const std::size_t skip = frame.tail().size() - frame.size();
  out_.put(std::move(frame.tail()), skip);
}

void SecretStream::seal_small(Bytes plain) {
  const MutableBytes frame = out_.pack(plain.size() + frame_overhead);
  write_prefix(frame);
  std::ranges::copy(plain, frame.begin() + prefix_bytes + 1);
  push_->seal(frame.subspan(prefix_bytes));
}

// A session with nothing to say keeps no buffer for it either.
void SecretStream::send_keep_alive() {
  out_.trim();
  Buffer frame(frame_overhead);
  write_prefix(frame);
  push_->seal(MutableBytes(frame).subspan(prefix_bytes));
  out_.put(std::move(frame));
}

void SecretStream::bound_queue() {
  if (queued_bytes() > limits_->send_most_bytes) end(SessionEnd::slow_reader);
}

std::size_t SecretStream::outgoing(std::span<Bytes> out) const {
  const bool says_more = !end_ || *end_ == SessionEnd::remote_ended || *end_ == SessionEnd::local_ended;
  return says_more ? out_.runs(out) : 0;
}

void SecretStream::sent(std::size_t bytes, Instant now) {
  now_ = std::max(now_, now);
  if (bytes == 0) return;
  out_.drop(bytes);
  last_sent_ = now_;
  stalled_since_.reset();
  if (out_.bytes() > 0) stalled_since_ = now_;
}

std::size_t SecretStream::queued_bytes() const { return out_.bytes() + waiting_bytes_; }

// --- Time.

std::optional<Instant> SecretStream::next_deadline() const {
  if (end_) return std::nullopt;
  Instant next{Duration::max()};
  const auto by = [&](Instant since, Limits::milliseconds time) {
    next = std::min(next, after(since, time));
  };
  if (!open()) by(began_, limits_->handshake_timeout_ms);
  if (open() && keep_alive_ && reading_) by(last_received_, limits_->idle_timeout_ms);
  if (open() && frame_since_ && reading_) by(window_, limits_->frame_progress_ms);
  if (secured_ && keep_alive_ && out_.bytes() == 0) by(last_sent_, limits_->keep_alive_ms);
  if (out_.bytes() > 0) by(stalled_since_.value_or(now_), limits_->send_stall_ms);
  return next.since_origin == Duration::max() ? std::nullopt : std::optional(next);
}

void SecretStream::on_time(Instant now) {
  now_ = std::max(now_, now);
  if (end_) return;
  const auto due = [&](Instant since, Limits::milliseconds time) { return now_ >= after(since, time); };

  if (!open() && due(began_, limits_->handshake_timeout_ms)) return end(SessionEnd::handshake_timeout);

  // While we could not read, neither silence nor slowness is the other side's.
  const bool ours = starved_ || (reading_ && !wants_bytes());
  if (open() && keep_alive_ && reading_ && due(last_received_, limits_->idle_timeout_ms)) {
    if (!ours) return end(SessionEnd::timeout);
    last_received_ = now_;
  }
  if (open() && frame_since_ && reading_ && due(window_, limits_->frame_progress_ms)) {
    if (!ours && window_bytes_ < limits_->frame_progress_bytes) return end(SessionEnd::slow_frame);
    window_ = now_;
    window_bytes_ = 0;
  }
  if (reading_ && wants_bytes()) starved_ = false;

  if (out_.bytes() > 0) {
    // Frames are queued without being told the time: the count begins at the first look.
    if (!stalled_since_) stalled_since_ = now_;
    if (due(*stalled_since_, limits_->send_stall_ms)) return end(SessionEnd::slow_reader);
  } else if (secured_ && keep_alive_ && due(last_sent_, limits_->keep_alive_ms)) {
    send_keep_alive();
  }
}

void SecretStream::end(SessionEnd why) {
  if (end_) return;
  end_ = why;
  receiving_ = Receiving::ended;
  waiting_.clear();
  waiting_bytes_ = 0;
  if (reported_partial_ > 0) account_.partial_frame(0, now_);
}

}  // namespace sheaf
