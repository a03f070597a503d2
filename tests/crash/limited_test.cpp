// A disk that takes nothing for a while: errors, and service again in the same process, without a restart.
//
// What stands for the full disk is a limit on the size of the holder's files (RLIMIT_FSIZE), which is set and
// lifted while it runs: the system refuses the write, where LevelDB and the log have it fail at any point of
// a record. The system's word is EFBIG then and not ENOSPC; and how much is free, which the floor of free
// space (L20) asks for before a write, does not change, so that it is the failed write itself that has to be
// lived with.
#include <csignal>
#include <cstdio>
#include <map>
#include <sstream>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr int cycles = 10;

void limit_files(pid_t process, rlim_t most_bytes) {
  const rlimit limit{most_bytes, RLIM_INFINITY};
  REQUIRE(::prlimit(process, RLIMIT_FSIZE, &limit, nullptr) == 0);
}

std::map<std::string, std::string> listed(const std::string& folder) {
  const Ended ended = run_sheaf({"-d", folder, "--json", "store", "list", "--values"});
  REQUIRE_MESSAGE(ended.code == 0, ended.err);
  std::map<std::string, std::string> out;
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) {
    const auto one = nlohmann::json::parse(line);
    out[one.at("key").get<std::string>()] = one.at("value").get<std::string>();
  }
  return out;
}

}  // namespace

TEST_CASE("where files may not grow puts are errors, and go on in the same process once they may") {
  Draws draws(31);
  CrashFolder scratch;
  const std::string folder = scratch / "store";
  std::map<std::string, std::string> values;
  const auto put = [&](const std::string& key, const std::string& value) {
    Ended ended = run_sheaf({"-d", folder, "store", "put", key}, value);
    if (ended.code == 0) values[key] = value;
    return ended;
  };
  REQUIRE(put("first", "1").code == 0);
  Process holder(sheaf_command({"-d", folder, "serve", "--listen", "tcp://127.0.0.1:0"}));
  REQUIRE(holder.line().has_value());  // it listens, and so holds the folder

  std::size_t kept_meanwhile = 0, read_meanwhile = 0;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    const rlim_t limits[] = {0, 4'000, 60'000, 700'000};
    limit_files(holder.pid(), limits[draws.below(4)]);
    std::string refused_key, refused_value;
    for (int number = 0; refused_key.empty(); ++number) {
      REQUIRE(number < 500);
      const std::string key = "k" + std::to_string(draws.below(60));
      std::string value = std::to_string(cycle) + "/" + std::to_string(number) + ":";
      value.resize(value.size() + draws.below(draws.one_in(2) ? 3'000 : 60'000), 'v');
      const Ended ended = put(key, value);
      kept_meanwhile += ended.code == 0;
      if (ended.code == 0) continue;
      REQUIRE_MESSAGE(ended.code == 1, ended.err);
      REQUIRE_FALSE(ended.err.empty());
      refused_key = key;
      refused_value = value;
    }
    // It may or may not be possible to read; if it is, it is the truth.
    const Ended read = run_sheaf({"-d", folder, "store", "get", "first"});
    if (read.code == 0) REQUIRE(read.out == "1");
    read_meanwhile += read.code == 0;

    limit_files(holder.pid(), RLIM_INFINITY);
    const Ended after = put("after", std::to_string(cycle));
    INFO("cycle ", cycle);
    REQUIRE_MESSAGE(after.code == 0, after.err);
    auto found = listed(folder);
    // What failed in the root may be found applied or not, whole in either case.
    if (found[refused_key] == refused_value) values[refused_key] = refused_value;
    if (!values.contains(refused_key) && found[refused_key].empty()) found.erase(refused_key);
    REQUIRE(found == values);
  }
  CHECK(holder.kill().code == -SIGKILL);  // the same process all the time
  CHECK(listed(folder) == values);
  const Ended check = run_sheaf({"-d", folder, "store", "check"});
  CHECK_MESSAGE(check.code == 0, check.out, check.err);
  std::printf(
      "crash: %d times no file of the holder could grow: %zu puts were kept until then, %zu reads answered "
      "meanwhile; puts went on in the same process each time\n",
      cycles, kept_meanwhile, read_meanwhile);
}
