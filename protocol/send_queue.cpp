#include "protocol/send_queue.hpp"

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

void SendQueue::put(Buffer run, std::size_t skip) {
  invariant(skip < run.size(), "a run has bytes");
  bytes_ += run.size() - skip;
  runs_.push_back({std::move(run), skip, false});
}

// An open run only ever grows within its capacity, so that a write under way keeps valid views of it.
MutableBytes SendQueue::pack(std::size_t bytes) {
  invariant(bytes <= small_bytes, "only small frames are packed");
  const auto fits = [&](const Run& run) {
    return run.open && run.bytes.capacity() - run.bytes.size() >= bytes;
  };
  if (runs_.empty() || !fits(runs_.back())) {
    if (spare_.capacity() < pack_bytes) spare_.reserve(pack_bytes);
    spare_.clear();
    runs_.push_back({std::move(spare_), 0, true});
    spare_ = {};
  }
  Buffer& run = runs_.back().bytes;
  const std::size_t at = run.size();
  run.resize(at + bytes);
  bytes_ += bytes;
  return MutableBytes(run).subspan(at);
}

std::size_t SendQueue::runs(std::span<Bytes> out) const {
  std::size_t filled = 0;
  for (const Run& run : runs_) {
    if (filled == out.size()) break;
    out[filled] = Bytes(run.bytes).subspan(run.begin);
    ++filled;
  }
  return filled;
}

void SendQueue::drop(std::size_t bytes) {
  invariant(bytes <= bytes_, "no more is sent than was queued");
  bytes_ -= bytes;
  while (bytes > 0) {
    Run& first = runs_.front();
    const std::size_t left = first.bytes.size() - first.begin;
    if (bytes < left) {
      first.begin += bytes;
      return;
    }
    bytes -= left;
    if (first.open && spare_.capacity() == 0) spare_ = std::move(first.bytes);
    runs_.pop_front();
  }
}

void SendQueue::trim() { spare_ = {}; }

}  // namespace sheaf
