// Blocks of an encrypted core: 8 bytes of padding, then the text under XSalsa20.
//
// Format: docs/wire.md, Log. Hashes, sizes and peers see the sealed form; nothing here authenticates, the
// tree does.
#pragma once

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

inline constexpr ByteCount block_padding{8};

class BlockEncryption {
 public:
  // From the key of the whole core (`compat`: of a compat core), or from the block key itself.
  static BlockEncryption of_core(const CoreKey& core, const EncryptionKey& key, bool compat);
  explicit BlockEncryption(const EncryptionKey& block_key);

  // The block as it is stored and replicated; `fork` is the core's when it is appended.
  Buffer seal(BlockIndex index, Fork fork, Bytes plain) const;
  // The text inside a stored block; malformed below 8 bytes.
  Result<Buffer> open(BlockIndex index, Bytes block) const;
  // The same where it lies: the view is the text inside `block`.
  Result<MutableBytes> open_in_place(BlockIndex index, MutableBytes block) const;

 private:
  EncryptionKey block_key_;
  EncryptionKey blinding_key_;
};

}  // namespace sheaf
