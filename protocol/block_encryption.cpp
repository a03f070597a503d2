#include "protocol/block_encryption.hpp"

#include <algorithm>

#include "protocol/crypto.hpp"
#include "protocol/signables.hpp"

namespace sheaf {
namespace {

using Nonce = std::array<std::byte, 24>;

void spell(MutableBytes out, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
}

// The block's index, then its padding (zeros for the padding's own encryption), then zeros.
Nonce nonce_of(BlockIndex index, Bytes padding = {}) {
  Nonce out{};
  spell(out, index.value);
  std::ranges::copy(padding, out.begin() + 8);
  return out;
}

}  // namespace

BlockEncryption BlockEncryption::of_core(const CoreKey& core, const EncryptionKey& key, bool compat) {
  return BlockEncryption(block_key(core, key, compat));
}

BlockEncryption::BlockEncryption(const EncryptionKey& block_key)
    : block_key_(block_key), blinding_key_(blinding_key(block_key)) {}

Buffer BlockEncryption::seal(BlockIndex index, Fork fork, Bytes plain) const {
  Buffer out;
  out.reserve(block_padding.value + plain.size());
  out.resize(block_padding.value);
  spell(out, fork.value);
  crypto::stream_xor(out, nonce_of(index), blinding_key_.bytes());
  append(out, plain);
  const auto [padding, text] = std::pair(Bytes(out).first(8), MutableBytes(out).subspan(8));
  crypto::stream_xor(text, nonce_of(index, padding), block_key_.bytes());
  return out;
}

Result<Buffer> BlockEncryption::open(BlockIndex index, Bytes block) const {
  if (block.size() < block_padding.value) return ProtocolErrc::malformed;
  Buffer out = to_buffer(block.subspan(block_padding.value));
  crypto::stream_xor(out, nonce_of(index, block.first(block_padding.value)), block_key_.bytes());
  return out;
}

Result<MutableBytes> BlockEncryption::open_in_place(BlockIndex index, MutableBytes block) const {
  if (block.size() < block_padding.value) return ProtocolErrc::malformed;
  const MutableBytes text = block.subspan(block_padding.value);
  crypto::stream_xor(text, nonce_of(index, block.first(block_padding.value)), block_key_.bytes());
  return text;
}

}  // namespace sheaf
