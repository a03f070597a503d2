// Compiled with AVX-512 switched on, whatever processor the rest is built for; called only where there is
// one.
#include "protocol/blake2b_lanes.hpp"

namespace sheaf::crypto::lanes {

#ifdef __AVX512F__
typedef std::uint64_t Words8 __attribute__((vector_size(64)));
const Compress compress_avx512 = Kernel<Words8>::compress;
#else
const Compress compress_avx512 = nullptr;
#endif

}  // namespace sheaf::crypto::lanes
