// The encrypted transport of a session: raw bytes on one side, whole authenticated messages on the other.
//
// Wire: @hyperswarm/secret-stream 6.9 over TCP. Every unit is a u24 length and its body: Noise messages, then
// one header a direction, then secretstream frames. It is driven like a Machine (machine.hpp), with messages
// instead of events, and called from one strand. Limits, pool and random source outlive it.
//
//   receiving:  handshake --keys--> header --right id--> messages --> ended
//
// After received() and stream_ended() the owner pulls next_message() until there is none. A message lies in
// the receive slab, decrypted in place: its view lives as long as the slab handle beside it, on any thread.
// The first breach, silence or close ends the stream with one reason; nothing is delivered after it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "protocol/crypto.hpp"
#include "protocol/noise.hpp"
#include "protocol/outgoing_frame.hpp"
#include "protocol/receive_buffer.hpp"
#include "protocol/send_queue.hpp"
#include "protocol/slab.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/session_end.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

struct StreamMessage {
  MutableBytes plain;  // never empty; the receiver may write into it
  Slab slab;           // keeps `plain` alive
};

class SecretStream {
 public:
  struct Options {
    Role role = Role::initiator;
    KeyPair static_key;
    NoisePattern pattern = NoisePattern::xx;
    // Whom we want to meet; anyone else is refused before our own key is given away (XX: before message 3).
    std::optional<PublicKey> expected_remote;
    // Whom we let in, asked once the other side's static key is proven and before our header is sent.
    std::function<bool(const PublicKey&)> admits;
    bool keep_alive = true;  // send an empty message after keep_alive_ms without a write
  };

  SecretStream(const Limits& limits, SlabPool& pool, RandomSource& random, Options options, Instant now);
  // Starts from a finished handshake: the first frame of each direction is its header.
  SecretStream(const Limits& limits, SlabPool& pool, RandomSource& random, Role role, HandshakeKeys keys,
               bool keep_alive, Instant now);

  // 1. Raw bytes in. wants_bytes() is false once ended and while neither slab nor budget has room; then an
  // empty room() is the answer as well. What was shown by room() stays in place until received() or room().
  MutableBytes room();
  void received(std::size_t bytes, Instant now);
  bool wants_bytes() const;
  // The other side ended its direction. What is wholly here is still delivered, then the stream ends with
  // remote_ended, or truncated inside a frame or before both headers are through.
  void stream_ended(Instant now);
  // The transport failed: what is wholly here is still delivered, then the stream ends with stream_error.
  void stream_broke(Instant now);
  // Tells that the owner has stopped or resumed reading: silence and slow frames meanwhile are not the
  // peer's.
  void reading(bool on, Instant now);

  // 2. Messages out of it, in order.
  std::optional<StreamMessage> next_message();

  // 3. Messages to send; before the handshake is through they wait in order. Sealed in place; a small one is
  // copied next to its neighbours. Ignored once ended. More than send_most_bytes queued ends it slow_reader.
  // Requires: at most limits::message_bytes of plaintext, and 4 bytes of room in front of it.
  void send(OutgoingFrame frame);
  void send(Bytes plain);  // copies

  // 4. Raw bytes out, as in machine.hpp; the bytes shown stay in place until sent() takes them, whatever else
  // is called. After an ending other than remote_ended and local_ended nothing is shown any more.
  std::size_t outgoing(std::span<Bytes> out) const;
  void sent(std::size_t bytes, Instant now);
  std::size_t queued_bytes() const;  // raw bytes not sent yet, waiting frames included

  std::optional<Instant> next_deadline() const;
  void on_time(Instant now);

  // Ends it from above, for whatever reason; the first reason stands.
  void end(SessionEnd why);
  bool finished() const { return end_.has_value(); }
  std::optional<SessionEnd> ended() const { return end_; }

  // The handshake is through on our side: hash and remote key are known, frames are being sealed.
  bool secured() const { return secured_; }
  // The other side's header has come as well: it holds the keys.
  bool open() const { return receiving_ == Receiving::messages; }
  Role role() const { return role_; }
  const WideHash& handshake_hash() const { return hash_; }     // Requires: secured()
  const PublicKey& remote_key() const { return remote_key_; }  // Requires: secured()

  std::uint64_t account_id() const { return account_.id(); }        // as SlabPool::slowest() names it
  std::size_t received_memory() const { return account_.bytes(); }  // held by slabs of this session

 private:
  enum class Receiving : std::uint8_t {
    handshake,  // the next frame is a Noise message of one exact size
    header,     // keys are known, the next frame is the other side's header
    messages,   // both ways open
    ended,      // end_ says why
  };

  // Receiving.
  std::size_t frame_bytes() const;  // of the first pending frame, prefix included; 0: not known yet
  bool whole_frame_pending() const;
  void take_openings();
  void on_handshake_message(Bytes body);
  void on_header(Bytes body);
  bool acceptable(const PublicKey& remote);
  void watch_partial_frame();
  void settle_stream_end();

  // Sending.
  void speak();
  void secure(HandshakeKeys keys);
  void seal(OutgoingFrame frame);
  void seal_small(Bytes plain);
  void send_keep_alive();
  void bound_queue();

  const Limits* limits_;
  RandomSource* random_;
  Role role_;
  bool keep_alive_;
  PublicKey own_key_;
  std::optional<PublicKey> expected_remote_;
  std::function<bool(const PublicKey&)> admits_;

  Receiving receiving_ = Receiving::handshake;
  std::optional<SessionEnd> end_;
  bool stream_ended_ = false;
  bool broke_ = false;
  bool secured_ = false;
  std::optional<NoiseHandshake> handshake_;
  WideHash hash_;
  PublicKey remote_key_;
  crypto::CipherKey rx_;  // until the other side's header has come
  std::optional<crypto::Push> push_;
  std::optional<crypto::Pull> pull_;

  SlabAccount account_;
  ReceiveBuffer in_;
  SendQueue out_;
  std::vector<OutgoingFrame> waiting_;  // for the handshake
  std::size_t waiting_bytes_ = 0;

  bool reading_ = true;
  mutable bool starved_ = false;  // there was no room to read into since a byte was received last
  Instant now_;
  Instant began_;
  Instant last_received_;
  Instant last_sent_;
  std::optional<Instant> stalled_since_;  // bytes are queued and none has gone since
  std::optional<Instant> frame_since_;    // a frame is partial since
  Instant window_;                        // its progress is counted since
  std::size_t window_bytes_ = 0;
  std::size_t reported_partial_ = 0;  // to the pool: the bytes of a large partial frame
};

}  // namespace sheaf
