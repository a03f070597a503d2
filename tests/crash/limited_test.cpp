// A limit on the size of the holder's files (RLIMIT_FSIZE), set and lifted while it runs: the system refuses
// the write at any point of a record of LevelDB or the log. Its word is EFBIG then and not ENOSPC; and how
// much is free, which the floor of free space (L20) asks for before a write, does not change, so that it is
// the failed write itself that has to be lived with.
#include <cstdio>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include "tests/crash/history.hpp"
#include "tests/crash/starved_store.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr int cycles = 10;

void limit_files(pid_t process, rlim_t most_bytes) {
  const rlimit limit{most_bytes, RLIM_INFINITY};
  REQUIRE(::prlimit(process, RLIMIT_FSIZE, &limit, nullptr) == 0);
}

}  // namespace

TEST_CASE("where files may not grow puts are errors, and go on in the same process once they may") {
  Draws draws(31);
  CrashFolder scratch;
  Medium medium;
  medium.starve = [](const Process& holder, Draws& draw) {
    const rlim_t limits[] = {0, 4'000, 60'000, 700'000};
    limit_files(holder.pid(), limits[draw.below(4)]);
  };
  medium.feed = [](const Process& holder) { limit_files(holder.pid(), RLIM_INFINITY); };
  const Starved starved = starve(scratch / "store", cycles, medium, draws);
  std::printf(
      "crash: %d times no file of the holder could grow: %zu puts were kept until then, %zu reads answered "
      "meanwhile; puts went on in the same process each time\n",
      cycles, starved.kept_meanwhile, starved.read_meanwhile);
}
