// What to say to a want: the whole prefix as one range, or the bits of the interval.
//
// Format: docs/wire.md, Replication.
#pragma once

#include <optional>
#include <vector>

#include "protocol/bitfield.hpp"

namespace sheaf {

struct BitfieldPart {
  BlockIndex start;  // a multiple of 32
  std::vector<std::uint32_t> words;
};

struct WantReply {
  std::optional<BlockRange> range;   // or
  std::vector<BitfieldPart> fields;  // both empty: no reply
};

// Wants longer than 2^21 blocks get no reply. `any` asks for one run only.
WantReply want_reply(const Bitfield& held, Length length, BlockRange wanted, bool any);

}  // namespace sheaf
