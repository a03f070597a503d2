// Two muxes that talk at random: by seed, so that a failure repeats.
#include "tests/support/mux_world.hpp"

#include <doctest/doctest.h>

#include "sheaf/protocol/random_source.hpp"

using namespace sheaf;

TEST_CASE("two honest muxes agree on their channels and lose no message, whatever crosses whatever") {
  std::size_t heard = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const auto random = seeded_random(seed);
    Buffer row(20 + random->below(3'000));
    random->fill(row);
    test::MuxWorld world(row);
    CHECK_NOTHROW(world.run());
    heard += world.messages_heard();
  }
  CHECK(heard > 5'000);
  MESSAGE(heard, " messages heard");
}
