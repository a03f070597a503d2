#include "protocol/slot_prefix.hpp"

#include <algorithm>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

SlotPrefix::SlotPrefix(const Slot& slot, unsigned depth) : depth_(static_cast<std::uint8_t>(depth)) {
  invariant(depth <= most_depth, "a slot has 64 nibbles");
  const std::size_t whole = depth / 2;
  std::copy_n(slot.value.begin(), whole, slot_.value.begin());
  if (depth % 2 == 1) slot_.value[whole] = slot.value[whole] & std::byte{0xf0};
}

SlotPrefix SlotPrefix::child(unsigned nibble) const {
  invariant(depth_ < most_depth && nibble < 16, "a prefix grows by nibbles up to a whole slot");
  SlotPrefix out = *this;
  out.slot_.value[depth_ / 2] |= static_cast<std::byte>(depth_ % 2 == 0 ? nibble << 4 : nibble);
  ++out.depth_;
  return out;
}

bool SlotPrefix::covers(const Slot& slot) const {
  const std::size_t whole = depth_ / 2;
  if (!std::equal(slot.value.begin(), slot.value.begin() + static_cast<std::ptrdiff_t>(whole),
                  slot_.value.begin()))
    return false;
  return depth_ % 2 == 0 || nibble_of(slot, depth_ - 1u) == nibble(depth_ - 1u);
}

}  // namespace sheaf
