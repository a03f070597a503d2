#include "protocol/receive_buffer.hpp"

#include <algorithm>
#include <cstring>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

ReceiveBuffer::Plan ReceiveBuffer::plan(std::size_t frame) const {
  const std::size_t pending = end_ - begin_;
  const std::size_t need = std::max(frame, pending + 1);  // what has to lie together, from begin_
  const std::size_t wish = !trusted_                     ? opening_bytes
                           : busy_ || need > quiet_bytes ? SlabPool::slab_bytes
                                                         : quiet_bytes;
  if (!slab_) return account_->allows(wish) ? Plan{Step::take, wish} : second_choice(need);

  const std::size_t capacity = slab_.capacity();
  const std::size_t free = capacity - end_;
  const bool whole_frame_waits = frame != 0 && pending >= frame;
  if (whole_frame_waits) return {free > 0 ? Step::stay : Step::blocked};
  if (pending == 0 && capacity == wish && slab_.sole()) return {Step::rewind};

  // A slab is used up to its last quarter; what is left of it is not worth a read of its own.
  const bool fits = need <= capacity - begin_;
  const bool right_size = capacity >= wish && (pending > 0 || capacity == wish);
  if (fits && right_size && free >= wish / 4) return {Step::stay};
  if (slab_.sole() && begin_ == 0 && need > wish) {  // a frame larger than a slab, in one of its own
    if (free > 0) return {Step::stay};
    const std::size_t larger = std::min(need, capacity + limits_->frame_growth_bytes);
    return account_->allows(larger - capacity) ? Plan{Step::grow, larger} : Plan{Step::blocked};
  }
  if (slab_.sole() && pending > 0 && capacity >= wish && need <= capacity) return {Step::move_front};
  const std::size_t fresh = std::max(wish, pending + wish / 4);
  return account_->allows(fresh) ? Plan{Step::take, fresh} : second_choice(need);
}

// The budget has no slab of the wished size: whatever still brings the frame forward.
ReceiveBuffer::Plan ReceiveBuffer::second_choice(std::size_t need) const {
  const std::size_t pending = end_ - begin_;
  if (slab_.sole() && pending == 0) return {Step::rewind};
  if (slab_.capacity() > end_) return {Step::stay};
  if (slab_.sole()) {
    if (begin_ > 0) return {Step::move_front};
    const std::size_t larger = std::min(need, slab_.capacity() + limits_->frame_growth_bytes);
    return larger > slab_.capacity() && account_->allows(larger - slab_.capacity()) ? Plan{Step::grow, larger}
                                                                                    : Plan{Step::blocked};
  }
  const std::size_t least = std::max(opening_bytes, std::min(need, pending + quiet_bytes));
  return account_->allows(least) ? Plan{Step::take, least} : Plan{Step::blocked};
}

bool ReceiveBuffer::has_room(std::size_t frame) const {
  const bool blocked = plan(frame).step == Step::blocked;
  if (blocked) account_->wait_for_room();
  return !blocked;
}

MutableBytes ReceiveBuffer::room(std::size_t frame) {
  const Plan next = plan(frame);
  const std::size_t pending = end_ - begin_;
  switch (next.step) {
    case Step::stay: break;
    case Step::blocked: return {};
    case Step::rewind: begin_ = end_ = 0; break;
    case Step::move_front:
      std::memmove(slab_.bytes().data(), slab_.bytes().data() + begin_, pending);
      begin_ = 0;
      end_ = pending;
      break;
    case Step::take: {
      Slab fresh = account_->take(next.capacity);
      if (!fresh) return {};
      if (pending > 0) std::memcpy(fresh.bytes().data(), slab_.bytes().data() + begin_, pending);
      slab_ = std::move(fresh);
      begin_ = 0;
      end_ = pending;
      break;
    }
    case Step::grow:
      if (!account_->grow(slab_, next.capacity)) return {};
      break;
  }
  room_out_ = true;
  return slab_.bytes().subspan(end_);
}

void ReceiveBuffer::filled(std::size_t bytes) {
  invariant(slab_ && bytes <= slab_.capacity() - end_, "no more is received than there was room for");
  end_ += bytes;
  room_out_ = false;
  busy_ = bytes >= quiet_bytes;
}

void ReceiveBuffer::release_idle() {
  if (room_out_ || begin_ != end_ || slab_.capacity() <= quiet_bytes || !slab_.sole()) return;
  slab_ = {};
  begin_ = end_ = 0;
}

MutableBytes ReceiveBuffer::consume(std::size_t bytes) {
  invariant(bytes <= end_ - begin_, "only what is pending is taken");
  const MutableBytes out = slab_.bytes().subspan(begin_, bytes);
  begin_ += bytes;
  return out;
}

}  // namespace sheaf
