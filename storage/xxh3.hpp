// The checksum XXH3 (xxhash.com, specification 0.8): for damage by accident, not against forgers. Of an x86
// processor the library takes the widest instructions that it has, which sums up large values faster than
// those that each of them has.
#pragma once

#include <array>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

std::uint64_t xxh3_64(Bytes bytes);
// In canonical form: the most significant byte first.
std::array<std::byte, 8> xxh3_64_digest(Bytes bytes);
std::array<std::byte, 16> xxh3_128_digest(Bytes bytes);

}  // namespace sheaf
