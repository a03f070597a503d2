// What the value log writes. Frozen: it is on disk. Integers are little endian, checksums XXH3-64 in
// canonical form.
//
// A segment is a row of groups, one for each write:
//   checksum (8)  of all that follows up to the values
//   segment u32   the number of this segment
//   count u32     how many records
//   records u32   how many bytes they take
//   values u64    how many bytes their values take
//   records       kind u8 (0 del, 1 put), key size u16, key; of a put also value size u32 and its checksum
//   values        one after another, in the order of the puts
//
// In the index:
//   00            format version u32, then the position up to which the log is in the index: segment u32,
//                 offset u64
//   01 ‖ segment  (big endian) live bytes u64, bytes u64 of a segment before that position
//   02 ‖ key      00 ‖ value, or 01 ‖ where the value lies: segment u32, offset u64, size u32, checksum (8)
#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "sheaf/storage/batch.hpp"
#include "storage/segment_files.hpp"

namespace sheaf::value_log {

inline constexpr std::uint32_t format_version = 1;
// Values up to this size lie in the index.
inline constexpr std::size_t inline_bytes_most = 512;

struct Checksum {
  static constexpr std::size_t size = 8;
  std::array<std::byte, size> value{};
  Bytes bytes() const { return value; }
  static Checksum from(Bytes bytes);
  friend bool operator==(const Checksum&, const Checksum&) = default;
};
Checksum checksum_of(Bytes bytes);

struct Position {
  SegmentNumber segment = 1;
  std::uint64_t offset = 0;
  auto operator<=>(const Position&) const = default;
};

// Where a value lies.
struct Location {
  Position at;
  std::uint32_t bytes = 0;
  Checksum checksum{};
  friend bool operator==(const Location&, const Location&) = default;
};

struct Gone {};
// What is known of a key: deleted, the value itself, or where it lies.
using Slot = std::variant<Gone, Buffer, Location>;

struct Space {
  std::uint64_t live = 0;
  std::uint64_t bytes = 0;
};

// One operation of a group; the key is a view into the operation, or into what was decoded.
struct Record {
  Batch::Kind kind;
  Bytes key;
  std::uint32_t value_bytes = 0;
  Checksum checksum{};
  bool fresh = false;  // not written: see Traits
};

inline constexpr std::size_t group_head_bytes = 8 + 4 + 4 + 4 + 8;

struct GroupHead {
  Checksum checksum;
  std::uint32_t count = 0;
  std::uint32_t record_bytes = 0;
  std::uint64_t value_bytes = 0;
};

// Head and records of a group; the values follow as they are.
Buffer encode_group(SegmentNumber segment, const std::vector<Record>& records);
// Of the first group_head_bytes; damaged where they are of another segment. Nothing else is checked yet.
Result<GroupHead> decode_group_head(SegmentNumber segment, Bytes bytes);
// Of head and records together; damaged.
Result<std::vector<Record>> decode_group(const GroupHead& head, Bytes bytes);

Buffer head_key();
Buffer segment_key(SegmentNumber segment);
Buffer data_key(Bytes key);
inline constexpr std::byte segment_prefix[] = {std::byte{1}};
inline constexpr std::byte data_prefix[] = {std::byte{2}};

struct IndexHead {
  std::uint32_t format = format_version;
  Position position;
};
Buffer encode_index_head(const IndexHead& head);
Result<IndexHead> decode_index_head(Bytes bytes);  // damaged, newer_format
Buffer encode_space(const Space& space);
Result<Space> decode_space(Bytes bytes);  // damaged
Buffer encode_slot(const Slot& slot);     // Requires: it is not Gone.
Result<Slot> decode_slot(Bytes bytes);    // damaged
bool is_location(Bytes encoded_slot);
std::optional<SegmentNumber> segment_of_key(Bytes key);

}  // namespace sheaf::value_log
