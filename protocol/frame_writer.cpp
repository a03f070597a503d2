#include "protocol/frame_writer.hpp"

#include <algorithm>
#include <utility>

#include "protocol/limits.hpp"
#include "protocol/mux_format.hpp"

namespace sheaf {

Writer FrameWriter::begin(std::uint64_t channel, std::uint64_t type, Packing packing) {
  channel_ = channel;
  if (packing == Packing::alone) {
    finish_shared();
    alone_.emplace();
    Writer out(alone_->tail());
    out.uint(channel);
    out.uint(type);
    return out;
  }
  begin_shared(channel);
  Writer out(shared_->tail());
  out.uint(type);
  return out;
}

void FrameWriter::end() {
  if (!alone_) return end_shared();
  push(std::move(*alone_));
  alone_.reset();
}

void FrameWriter::add(std::uint64_t channel, std::uint64_t type, Bytes body, Packing packing) {
  Writer out = begin(channel, type, body.size() > split_bytes ? Packing::alone : packing);
  out.raw(body);
  end();
}

void FrameWriter::add_frame(std::uint64_t channel, std::uint64_t type, OutgoingFrame body) {
  if (body.size() <= worth_a_copy) return add(channel, type, body.content(), Packing::shared);
  finish_shared();
  body.prepend(front({channel, type}));
  push(std::move(body));
}

std::optional<OutgoingFrame> FrameWriter::next_frame() {
  if (done_.empty()) finish_shared();
  if (done_.empty()) return std::nullopt;
  OutgoingFrame frame = std::move(done_.front());
  done_.pop_front();
  done_bytes_ -= frame.size();
  return frame;
}

void FrameWriter::begin_shared(std::uint64_t channel) {
  if (!shared_) shared_.emplace(expected_bytes_);
  Buffer& bytes = shared_->tail();
  shared_before_ = bytes.size();
  if (entries_ > 0 && channel != last_channel_) {
    Writer out(bytes);
    out.uint(0);
    out.uint(channel);
  }
  entry_begin_ = bytes.size();
  bytes.push_back(std::byte{0});
}

void FrameWriter::end_shared() {
  Buffer& bytes = shared_->tail();
  const std::size_t size = bytes.size() - entry_begin_ - 1;
  if (size > split_bytes && entries_ > 0) {
    // Larger than its writer expected: it moves into a frame of its own.
    OutgoingFrame own(size);
    own.prepend(front({channel_}));
    append(own.tail(), Bytes(bytes).subspan(entry_begin_ + 1));
    bytes.resize(shared_before_);
    finish_shared();
    return push(std::move(own));
  }
  const Bytes length = front({size});
  const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(entry_begin_);
  bytes.insert(at, length.size() - 1, std::byte{0});
  std::copy(length.begin(), length.end(), bytes.begin() + static_cast<std::ptrdiff_t>(entry_begin_));
  if (entries_++ == 0) {
    first_channel_ = channel_;
    first_length_bytes_ = length.size();
  }
  last_channel_ = channel_;
  if (shared_->size() >= split_bytes) finish_shared();
}

void FrameWriter::finish_shared() {
  if (entries_ == 0) return;
  expected_bytes_ = std::min(shared_->size(), 2 * split_bytes);
  if (entries_ == 1) {
    // A plain message needs no length, only its channel.
    shared_->drop_front(first_length_bytes_);
    shared_->prepend(front({first_channel_}));
  } else {
    shared_->prepend(front({control_channel, type_number(ControlType::batch), first_channel_}));
  }
  entries_ = 0;
  push(std::move(*shared_));
  shared_.reset();
}

void FrameWriter::push(OutgoingFrame frame) {
  invariant(frame.size() <= limits::message_bytes, "a frame fits the wire");
  done_bytes_ += frame.size();
  done_.push_back(std::move(frame));
}

Bytes FrameWriter::front(std::initializer_list<std::uint64_t> numbers) {
  front_.clear();
  Writer out(front_);
  for (const std::uint64_t number : numbers) out.uint(number);
  return front_;
}

}  // namespace sheaf
