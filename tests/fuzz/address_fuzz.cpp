// Addresses and keys as text: whatever is read is printed so that it reads the same.
#include <cstdint>
#include <cstdlib>

#include "sheaf/net/address.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "sheaf/protocol/key_text.hpp"

using namespace sheaf;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = parse_address(text)) {
    const auto again = parse_address(to_string(*address));
    invariant(again.has_value() && *again == *address, "an address reads as it is printed");
  }
  if (const auto key = key_from_text<PublicKey>(text)) {
    invariant(key_from_text<PublicKey>(to_string(*key)) == key, "a key reads as hex");
    invariant(key_from_text<PublicKey>(to_z_base_32(key->bytes())) == key, "a key reads as z-base-32");
  }
  return 0;
}
