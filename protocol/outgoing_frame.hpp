// One frame on its way out, built so that its payload is written once and never moved.
//
// Free room lies in front of the content and behind it: the message's head, the mux header and the secret
// stream's prefix and tag are written right-aligned into the front, the MAC goes behind. Whoever fills a
// frame appends to tail(); each layer below prepends. The frame owns its bytes; views of content() are stale
// after the next change. The memory of frames that are done is used for the next ones of the same thread, up
// to a few MiB: a page that was just given back costs more to get again than a block costs to seal.
#pragma once

#include <algorithm>
#include <utility>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

class OutgoingFrame {
 public:
  // Length prefix and tag of the secret stream (3 + 1), channel and type of the mux (9 + 9), head of a data
  // message in front of its block (at most 37), rounded up.
  static constexpr std::size_t headroom = 64;
  // The secret stream's MAC.
  static constexpr std::size_t tailroom = 16;

  explicit OutgoingFrame(std::size_t expected = 0);
  ~OutgoingFrame();
  OutgoingFrame(OutgoingFrame&&) noexcept = default;
  OutgoingFrame& operator=(OutgoingFrame&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(begin_, other.begin_);
    return *this;
  }

  Bytes content() const { return Bytes(bytes_).subspan(begin_); }
  MutableBytes content() { return MutableBytes(bytes_).subspan(begin_); }
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }

  // For appending, through a Writer or by hand. Requires: what is there already is left alone.
  Buffer& tail() { return bytes_; }

  // Requires: front.size() <= room_in_front().
  void prepend(Bytes front) {
    invariant(front.size() <= begin_, "a frame has room for each layer's header");
    begin_ -= front.size();
    std::copy(front.begin(), front.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
  }
  std::size_t room_in_front() const { return begin_; }

  // Drops the first `count` bytes of the content; their place becomes room. Requires: count <= size().
  void drop_front(std::size_t count) {
    invariant(count <= size(), "no more is dropped than is there");
    begin_ += count;
  }

 private:
  Buffer bytes_;
  std::size_t begin_ = headroom;
};

}  // namespace sheaf
