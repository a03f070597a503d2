// Bytes waiting to be sent, as few runs that do not move until they are gone.
#pragma once

#include <deque>
#include <span>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

class SendQueue {
 public:
  static constexpr std::size_t pack_bytes = 16 * 1024;  // one run of small frames
  static constexpr std::size_t small_bytes = 4 * 1024;  // frames up to this are packed

  // Queues a run as it is, without its first `skip` bytes.
  void put(Buffer run, std::size_t skip = 0);
  // Queues `bytes` more and lets the caller write them, at once, next to the frames before. Requires:
  // bytes <= small_bytes.
  MutableBytes pack(std::size_t bytes);

  std::size_t runs(std::span<Bytes> out) const;
  // Requires: bytes <= this->bytes().
  void drop(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }
  // Frees the buffer kept for the next small frames.
  void trim();

 private:
  struct Run {
    Buffer bytes;
    std::size_t begin;  // of what is not sent yet
    bool open;          // small frames may still be added, within its capacity
  };
  std::deque<Run> runs_;
  std::size_t bytes_ = 0;
  Buffer spare_;
};

}  // namespace sheaf
