#include "storage/xxh3.hpp"

#include <bit>
#include <xxhash.h>
#ifdef SHEAF_XXHASH_DISPATCHES
#include <xxh_x86dispatch.h>
#endif

namespace sheaf {

std::uint64_t xxh3_64(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::array<std::byte, 8> xxh3_64_digest(Bytes bytes) {
  XXH64_canonical_t canonical;
  XXH64_canonicalFromHash(&canonical, xxh3_64(bytes));
  return std::bit_cast<std::array<std::byte, 8>>(canonical);
}

std::array<std::byte, 16> xxh3_128_digest(Bytes bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return std::bit_cast<std::array<std::byte, 16>>(canonical);
}

}  // namespace sheaf
