#include "protocol/blob_id.hpp"

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"

namespace sheaf {

Result<void> decode_block_map(Bytes block, std::vector<MappedBlock>& out) {
  Reader in(block);
  if (in.uint() != 0) return ProtocolErrc::malformed;
  const std::size_t count = in.count(2);
  if (!in.ok() || count > limits::block_map_entries) return ProtocolErrc::malformed;
  // So the sum of all sizes stays on the wire's integers.
  constexpr std::uint64_t block_most = 0xffffff;
  for (std::size_t i = 0; i < count; ++i) {
    const BlockIndex index{in.uint()};
    const ByteCount bytes{in.uint()};
    if (!in.ok() || bytes.value > block_most) return ProtocolErrc::malformed;
    out.push_back({index, bytes});
  }
  return {};
}

Buffer encode_block_map(const std::vector<MappedBlock>& blocks) {
  Buffer bytes;
  Writer out(bytes);
  out.uint(0);
  out.uint(blocks.size());
  for (const MappedBlock& block : blocks) {
    out.uint(block.index.value);
    out.uint(block.bytes.value);
  }
  return bytes;
}

ByteCount mapped_bytes(const std::vector<MappedBlock>& blocks) {
  ByteCount out;
  for (const MappedBlock& block : blocks) out = out + block.bytes;
  return out;
}

}  // namespace sheaf
