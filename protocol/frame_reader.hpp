// Takes a mux frame apart, entry by entry: a frame is one message, or a batch of them.
//
// Format: docs/wire.md, Mux. Each step consumes at least one byte, so a frame takes at most as many
// steps as it has bytes; whoever drives it decides how many of them make a turn. Entries are views of the
// frame, which must stay in place until drained().
#pragma once

#include "protocol/codec.hpp"

namespace sheaf {

// One message as it stands in a frame: `channel` is the sender's number, 0 for the control session.
struct FrameEntry {
  std::uint64_t channel{};
  std::uint64_t type{};
  Bytes body;
};

class FrameReader {
 public:
  enum class Step {
    entry,              // `out` holds the next message
    passed,             // something without a message: the start of a batch, or a change of channel
    drained,            // nothing is left
    malformed_message,  // a message without a channel or a type
    malformed_batch     // a batch that breaks off, or holds another one
  };

  // Requires: drained().
  void load(Bytes frame);
  bool drained() const { return state_ == State::drained; }
  Step next(FrameEntry& out);

 private:
  // whole -> drained, or whole -> batch -> drained
  enum class State {
    drained,
    whole,  // nothing of the frame was read
    batch   // rest_ starts at an entry of channel_
  };

  Step next_whole(FrameEntry& out);
  Step next_of_batch(FrameEntry& out);
  Step end_with(Step step);

  State state_ = State::drained;
  Bytes rest_;
  std::uint64_t channel_ = 0;
};

}  // namespace sheaf
