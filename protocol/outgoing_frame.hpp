// A message on its way out, built with room in front and behind so that it is sealed where it lies.
//
//   | length 3 | tag 1 | plaintext ... | MAC 16 |
//
// The plaintext is appended to buffer(), whose first `headroom` bytes belong to the stream:
//   OutgoingFrame frame(expected);  Writer writer(frame.buffer());  writer.uint(...);
//   stream.send(std::move(frame));
#pragma once

#include "protocol/limits.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

class OutgoingFrame {
 public:
  static constexpr std::size_t headroom = limits::frame_prefix_bytes + 1;
  static constexpr std::size_t tailroom = limits::stream_overhead_bytes - 1;
  static constexpr std::size_t overhead = headroom + tailroom;

  // `expected` bytes of plaintext are reserved for; more may follow at the cost of a move.
  explicit OutgoingFrame(std::size_t expected = 0) {
    buffer_.reserve(expected + overhead);
    buffer_.resize(headroom);
  }

  Buffer& buffer() { return buffer_; }  // append only
  std::size_t size() const { return buffer_.size() - headroom; }
  MutableBytes plain() { return MutableBytes(buffer_).subspan(headroom); }
  Bytes plain() const { return Bytes(buffer_).subspan(headroom); }

 private:
  friend class SecretStream;
  Buffer buffer_;
};

}  // namespace sheaf
