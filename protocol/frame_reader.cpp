#include "protocol/frame_reader.hpp"

#include <algorithm>

#include "protocol/mux_format.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

void FrameReader::load(Bytes frame) {
  invariant(drained(), "a frame is taken in when the one before it is done");
  rest_ = frame;
  state_ = frame.empty() ? State::drained : State::whole;  // an empty frame says nothing, which is allowed
}

FrameReader::Step FrameReader::next(FrameEntry& out) {
  switch (state_) {
    case State::drained: return Step::drained;
    case State::whole: return next_whole(out);
    case State::batch: return next_of_batch(out);
  }
  return Step::drained;
}

FrameReader::Step FrameReader::next_whole(FrameEntry& out) {
  Reader in(rest_);
  out.channel = in.uint();
  out.type = in.uint();
  if (!in.ok()) return end_with(Step::malformed_message);
  out.body = in.rest();
  if (!is_batch(out.channel, out.type)) return end_with(Step::entry);
  channel_ = in.uint();
  if (!in.ok()) return end_with(Step::malformed_batch);
  rest_ = in.rest();
  state_ = State::batch;
  return Step::passed;
}

FrameReader::Step FrameReader::next_of_batch(FrameEntry& out) {
  if (rest_.empty()) return end_with(Step::drained);
  Reader in(rest_);
  const std::uint64_t size = in.uint();
  if (in.ok() && size == 0) {
    channel_ = in.uint();
    if (!in.ok()) return end_with(Step::malformed_batch);
    rest_ = in.rest();
    return Step::passed;
  }
  // The reference takes an entry that claims more than is left as what is left, and so do we.
  Reader entry(in.raw(static_cast<std::size_t>(std::min<std::uint64_t>(size, in.rest().size()))));
  out.channel = channel_;
  out.type = entry.uint();
  if (!in.ok() || !entry.ok()) return end_with(Step::malformed_batch);
  out.body = entry.rest();
  if (is_batch(out.channel, out.type))
    return end_with(Step::malformed_batch);  // L7: no batch lies in another
  rest_ = in.rest();
  return Step::entry;
}

FrameReader::Step FrameReader::end_with(Step step) {
  rest_ = {};
  state_ = State::drained;
  return step;
}

}  // namespace sheaf
