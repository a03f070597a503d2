// Where raw bytes arrive: one slab at a time, a partial frame at its end, whole frames given out in place.
//
//   | given out or free | pending: begin .. end | room |
//
// A busy stream reads into slabs of SlabPool::slab_bytes; a quiet one keeps only quiet_bytes, and before
// authentication opening_bytes. A frame larger than a slab gets one of its own, which grows with the bytes
// received in steps of frame_growth_bytes. Bytes given out are never moved or written again while somebody
// else holds the slab: then the partial frame moves to a fresh one.
#pragma once

#include "protocol/slab.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

class ReceiveBuffer {
 public:
  static constexpr std::size_t opening_bytes = 1024;
  static constexpr std::size_t quiet_bytes = 8 * 1024;

  ReceiveBuffer(SlabAccount& account, const Limits& limits) : account_(&account), limits_(&limits) {}

  // From now on the other side is known: large slabs may be used.
  void trust() { trusted_ = true; }

  // Room for more of a frame that takes `frame` bytes in all; 0: unknown. Empty: the budget has none now.
  MutableBytes room(std::size_t frame);
  bool has_room(std::size_t frame) const;
  // Requires: bytes <= what room() gave last.
  void filled(std::size_t bytes);

  Bytes pending() const { return slab_ ? Bytes(slab_.bytes()).subspan(begin_, end_ - begin_) : Bytes(); }
  // The first `bytes` of what is pending, no longer pending. Requires: bytes <= pending().size().
  MutableBytes consume(std::size_t bytes);
  const Slab& slab() const { return slab_; }

  // Gives a large slab back if nothing is pending in it and no room of it is out: a quiet session holds none.
  void release_idle();

 private:
  enum class Step : std::uint8_t { stay, rewind, move_front, take, grow, blocked };
  struct Plan {
    Step step;
    std::size_t capacity = 0;  // of what to take, or to grow to
  };
  Plan plan(std::size_t frame) const;
  Plan second_choice(std::size_t need) const;

  SlabAccount* account_;
  const Limits* limits_;
  Slab slab_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool room_out_ = false;  // the owner may be reading into it
  bool trusted_ = false;
  bool busy_ = false;  // the last read brought more than a quiet slab holds
};

}  // namespace sheaf
