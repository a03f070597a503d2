// Puts mux messages into frames: those that leave together share a batch, large ones travel alone.
//
// Format: docs/wire.md, Mux. A message is written once, where it will be encrypted; a shared frame that
// holds one message becomes a plain one. A frame takes no more messages once it holds `split_bytes`, and a
// larger message has a frame of its own, so no frame comes near the wire's limit but by one message that
// does.
#pragma once

#include <deque>
#include <initializer_list>
#include <optional>

#include "protocol/codec.hpp"
#include "protocol/outgoing_frame.hpp"

namespace sheaf {

// How a message leaves: with its neighbours in one batch, or in a frame of its own. The other side may answer
// a batch of requests with one batch, so requests for big blocks go alone (docs/wire.md, section 6).
enum class Packing { shared, alone };

class FrameWriter {
 public:
  static constexpr std::size_t split_bytes = 64 * 1024;
  // A body up to this size is cheaper to copy into a shared frame than to seal by itself.
  static constexpr std::size_t worth_a_copy = 4 * 1024;

  // One message; `channel` is our number of it. What is written through the Writer is the body, until end().
  // Requires: begin and end alternate, and nothing else is called between them.
  Writer begin(std::uint64_t channel, std::uint64_t type, Packing packing);
  void end();
  void add(std::uint64_t channel, std::uint64_t type, Bytes body, Packing packing);
  // A body that has a frame already: not copied, unless it is small enough to share one.
  void add_frame(std::uint64_t channel, std::uint64_t type, OutgoingFrame body);

  // The oldest finished frame, else the shared one as it is; nothing when all was given out.
  std::optional<OutgoingFrame> next_frame();
  std::size_t queued_bytes() const { return done_bytes_ + (shared_ ? shared_->size() : 0); }

 private:
  void begin_shared(std::uint64_t channel);
  void end_shared();
  void finish_shared();
  void push(OutgoingFrame frame);
  Bytes front(std::initializer_list<std::uint64_t> numbers);

  std::deque<OutgoingFrame> done_;
  std::size_t done_bytes_ = 0;

  // The shared frame under construction: entries without the three numbers that open a batch.
  std::optional<OutgoingFrame> shared_;
  std::size_t entries_ = 0;
  std::uint64_t first_channel_ = 0;
  std::uint64_t last_channel_ = 0;
  std::size_t first_length_bytes_ = 0;
  std::size_t expected_bytes_ = 0;  // what the next shared frame is likely to hold, after the last one

  // The message that is being written: in a frame of its own, or behind the other entries.
  std::optional<OutgoingFrame> alone_;
  std::uint64_t channel_ = 0;
  std::size_t shared_before_ = 0;  // where the shared frame ended before it
  std::size_t entry_begin_ = 0;    // where its length lies: one byte, until the length is known

  Buffer front_;  // numbers on their way into a frame's headroom
};

}  // namespace sheaf
