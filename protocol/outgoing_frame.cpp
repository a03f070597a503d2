#include "protocol/outgoing_frame.hpp"

#include <iterator>
#include <vector>

namespace sheaf {
namespace {

// What is worth keeping, and how much of it: smaller runs cost the allocator nothing.
constexpr std::size_t least_kept = 8 * 1024;
constexpr std::size_t most_kept = 2 * 1024 * 1024;
constexpr std::size_t kept_in_all = 4 * 1024 * 1024;

// Set when a thread's spare memory is gone; frames may outlive it by a little.
thread_local bool closed = false;

class SpareMemory {
 public:
  SpareMemory() { spare_.reserve(kept_in_all / least_kept); }  // so that keeping never allocates
  ~SpareMemory() { closed = true; }

  // The spare run used last that holds `bytes` and is not far too large for them, else nothing.
  Buffer take(std::size_t bytes) {
    for (auto spare = spare_.rbegin(); spare != spare_.rend(); ++spare) {
      if (spare->capacity() < bytes || spare->capacity() / 4 > bytes) continue;
      Buffer out = std::move(*spare);
      spare_.erase(std::next(spare).base());
      bytes_ -= out.capacity();
      return out;
    }
    return {};
  }

  void keep(Buffer buffer) {
    if (bytes_ + buffer.capacity() > kept_in_all) return;
    bytes_ += buffer.capacity();
    buffer.clear();
    spare_.push_back(std::move(buffer));
  }

 private:
  std::vector<Buffer> spare_;
  std::size_t bytes_ = 0;
};

SpareMemory& spare_memory() {
  static thread_local SpareMemory memory;
  return memory;
}

}  // namespace

OutgoingFrame::OutgoingFrame(std::size_t expected) {
  const std::size_t bytes = headroom + expected + tailroom;
  if (bytes >= least_kept && !closed) bytes_ = spare_memory().take(bytes);
  bytes_.reserve(bytes);
  bytes_.resize(headroom);
}

OutgoingFrame::~OutgoingFrame() {
  if (bytes_.capacity() < least_kept || bytes_.capacity() > most_kept || closed) return;
  spare_memory().keep(std::move(bytes_));
}

}  // namespace sheaf
