#include "net/websocket_road.hpp"

#include <algorithm>

namespace sheaf {

Result<std::size_t> WebSocketRoad::read(MutableBytes into) {
  if (early_taken_ < early_.size()) {
    const std::size_t count = std::min(into.size(), early_.size() - early_taken_);
    std::copy_n(early_.begin() + static_cast<std::ptrdiff_t>(early_taken_), count, into.begin());
    early_taken_ += count;
    if (early_taken_ == early_.size()) early_ = Buffer();
    return count;
  }
  if (reads_left_ == 0) return would_block_error();
  --reads_left_;
  return below_->try_read(into);
}

Result<void> WebSocketRoad::write(std::span<const Bytes> runs) {
  if (muted_) return {};
  if (broken_) return *broken_;
  std::size_t gone = 0;
  if (!keeps_bytes()) {
    const auto sent = below_->try_write(runs);
    if (sent) {
      gone = *sent;
    } else if (!is_would_block(sent.error())) {
      broken_ = sent.error();
      return *broken_;
    }
  }
  for (const Bytes run : runs) {
    const std::size_t passed = std::min(gone, run.size());
    gone -= passed;
    append(kept_, run.subspan(passed));
  }
  return {};
}

Result<void> WebSocketRoad::flush() {
  if (broken_) return *broken_;
  while (keeps_bytes()) {
    const Bytes rest = Bytes(kept_).subspan(sent_);
    const auto sent = below_->try_write({&rest, 1});
    if (!sent) {
      if (!is_would_block(sent.error())) broken_ = sent.error();
      return sent.error();
    }
    sent_ += *sent;
  }
  kept_ = Buffer();
  sent_ = 0;
  if (ending_) below_->end();
  ending_ = false;
  return {};
}

void WebSocketRoad::end() {
  ending_ = true;
  [[maybe_unused]] const auto flushed = flush();  // what is kept goes with the next one
}

}  // namespace sheaf
