// The one face of every protocol machine: bytes and the time go in, bytes, events and deadlines come out.
//
// Whoever drives it (net/pump, a test, a fuzzer) does this and nothing more:
//   1. give room: read into room(), then call received(); not while wants_bytes() is false;
//   2. after every call that changes state, drain the machine's own events (its class names them);
//   3. send what outgoing() shows and say how much went with sent();
//   4. call on_time() no later than next_deadline();
//   5. once finished(), send what is still outgoing and close the stream.
// No machine reads a clock, draws a random number on its own, or calls anything that waits. Time given to it
// never goes back. A machine that has finished stays finished and ignores what still comes in.
#pragma once

#include <optional>
#include <span>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

class Machine {
 public:
  virtual ~Machine() = default;

  // Free space to read into, never empty while wants_bytes(); stale after the next non-const call.
  virtual MutableBytes room() = 0;
  // `bytes` of the room were filled. Requires: bytes <= room().size().
  virtual void received(std::size_t bytes, Instant now) = 0;
  // False while the machine cannot hold more: leave the bytes with the transport, which pushes back.
  virtual bool wants_bytes() const = 0;
  // The other side has closed its direction; nothing more will be received.
  virtual void stream_ended(Instant now) = 0;
  // The stream below failed; nothing more will be received or sent. Machines that do not care see an end.
  virtual void stream_broke(Instant now) { stream_ended(now); }

  // Up to out.size() runs of bytes to send in this order; the views are stale after the next non-const
  // call. Gives how many runs it filled; 0: nothing to send.
  virtual std::size_t outgoing(std::span<Bytes> out) const = 0;
  // The first `bytes` of what outgoing() showed are on their way.
  virtual void sent(std::size_t bytes, Instant now) = 0;

  virtual std::optional<Instant> next_deadline() const = 0;
  virtual void on_time(Instant now) = 0;

  virtual bool finished() const = 0;
};

}  // namespace sheaf
