// Every bound that a stranger's bytes meet: name, unit, reason. The ids are those of docs/limits.md.
//
// What the wire format fixes is a constant; what an operator may choose is a member of Limits, named as
// its key in the [limits] table of the configuration.
#pragma once

#include "sheaf/protocol/limits.hpp"

namespace sheaf::limits {

// Fixed by the wire.
inline constexpr std::size_t array_elements = 0x100000;    // compact-encoding refuses longer arrays
inline constexpr std::size_t frame_prefix_bytes = 3;       // u24 length before each frame
inline constexpr std::size_t frame_body_bytes = 0xffffff;  // L3: what 24 bits can say
inline constexpr std::size_t stream_overhead_bytes = 17;   // secretstream: tag byte and MAC
inline constexpr std::size_t message_bytes = frame_body_bytes - stream_overhead_bytes;
inline constexpr std::size_t stream_header_bytes = 56;  // stream id and secretstream header

}  // namespace sheaf::limits
