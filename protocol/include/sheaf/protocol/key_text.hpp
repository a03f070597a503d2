// Keys as people write them: 64 hex digits, 52 z-base-32 digits, or pear://KEY with anything after the key's
// slash. The same forms as the package hypercore-id-encoding reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sheaf/protocol/key.hpp"

namespace sheaf {

// The 32 bytes, or nothing if the text is none of the forms. Hex in either case, z-base-32 in small letters
// and with nothing after bit 256.
std::optional<Buffer> key_bytes_from_text(std::string_view text);

template <class Key>
std::optional<Key> key_from_text(std::string_view text) {
  static_assert(Key::size == 32);
  const auto bytes = key_bytes_from_text(text);
  if (!bytes) return std::nullopt;
  return Key::from(*bytes);
}

// z-base-32: five bits a digit from the highest, the last digit filled with zeros.
std::string to_z_base_32(Bytes bytes);

}  // namespace sheaf
