// Where a file's contents lie in a blobs core, and the maps that may stand between.
//
// Format: docs/archives.md (hyperblobs 2.12); vectors drive/blobs.json.
#pragma once

#include <cstdint>
#include <vector>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

// What our writers cut contents into; readers take any size.
inline constexpr std::size_t blob_block_bytes = 64 * 1024;

struct BlobId {
  BlockIndex block_offset{};
  ByteCount byte_offset{};  // plain bytes before it in the core
  Length block_length{};
  ByteCount byte_length{};  // plain bytes in those blocks
  bool mapped = false;      // the blocks hold a block map; byte_length is the map's
  BlockRange blocks() const { return {block_offset, block_offset + block_length}; }
  bool operator==(const BlobId&) const = default;
};

// One content block, wherever it is in the same core.
struct MappedBlock {
  BlockIndex index;
  ByteCount bytes;
  bool operator==(const MappedBlock&) const = default;
};

// One block of a map, behind those that were decoded before. Fails with malformed, also above
// limits::block_map_entries.
Result<void> decode_block_map(Bytes block, std::vector<MappedBlock>& out);
Buffer encode_block_map(const std::vector<MappedBlock>& blocks);
ByteCount mapped_bytes(const std::vector<MappedBlock>& blocks);

}  // namespace sheaf
