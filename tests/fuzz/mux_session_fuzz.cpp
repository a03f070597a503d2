// F7: two honest muxes talk, driven by a row of bytes; they must agree, and neither may ever fail.
#include <cstdint>

#include "tests/support/mux_world.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4'096) return 0;  // longer rows find nothing that shorter ones do not
  sheaf::test::MuxWorld(sheaf::Bytes(reinterpret_cast<const std::byte*>(data), size)).run();
  return 0;
}
