// Compiled with AVX2 switched on, whatever processor the rest is built for; called only where there is one.
#include "protocol/blake2b_lanes.hpp"

namespace sheaf::crypto::lanes {

#ifdef __AVX2__
typedef std::uint64_t Words4 __attribute__((vector_size(32)));
const Compress compress_avx2 = Kernel<Words4>::compress;
#else
const Compress compress_avx2 = nullptr;
#endif

}  // namespace sheaf::crypto::lanes
