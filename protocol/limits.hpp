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

// Trees of archives. A reference goes back by at least one block or level; a tree whose nodes hold the least
// that ours hold, 4 keys, needs 23 levels for 2^53 keys.
inline constexpr std::size_t bee_depth = 64;
inline constexpr std::size_t bee_level_keys = 65'536;  // of one node, where ours have 8
// Values of entries: the JSON text that a foreign writer put there.
inline constexpr std::size_t entry_bytes = 1024 * 1024;
inline constexpr std::size_t entry_depth = 64;  // arrays and objects in one another, in a member
// Block maps, which stand for a file's blocks: what the reference takes, and what one entry costs at least.
inline constexpr std::size_t block_map_blocks = 64;
inline constexpr std::size_t block_map_entries = 8'192;  // of one map block
inline constexpr std::size_t symlink_hops = 15;

}  // namespace sheaf::limits
