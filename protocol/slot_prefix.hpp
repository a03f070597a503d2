// Places in the digest trie: the slot of an element, and the prefixes of slots that name its nodes.
//
// Format: docs/protocol.md, What is compared. A slot has 64 nibbles, the high one of a byte first. A prefix
// keeps its unused nibbles at zero, so that equal prefixes are equal bytes; of depth 64 it names one element.
#pragma once

#include <cstdint>

#include "sheaf/protocol/key.hpp"

namespace sheaf {

// Hash of an archive's core key: spreads keys evenly, whoever chose them.
using Slot = FixedBytes<struct SlotKind, 32>;

class SlotPrefix {
 public:
  static constexpr unsigned most_depth = 64;

  SlotPrefix() = default;  // the empty one: every slot begins with it
  explicit SlotPrefix(const Slot& slot) : slot_(slot), depth_(most_depth) {}
  // The first `depth` nibbles of the slot. Requires: depth <= most_depth.
  SlotPrefix(const Slot& slot, unsigned depth);

  unsigned depth() const { return depth_; }
  // Requires: i < depth().
  unsigned nibble(unsigned i) const { return nibble_of(slot_, i); }
  // Requires: depth() < most_depth, nibble < 16.
  SlotPrefix child(unsigned nibble) const;
  bool covers(const Slot& slot) const;
  // The lowest slot that begins with it.
  const Slot& first_slot() const { return slot_; }
  bool operator==(const SlotPrefix&) const = default;

  static unsigned nibble_of(const Slot& slot, unsigned i) {
    const auto byte = std::to_integer<unsigned>(slot.value[i / 2]);
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  }

 private:
  Slot slot_{};
  std::uint8_t depth_ = 0;
};

}  // namespace sheaf
