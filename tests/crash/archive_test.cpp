// Commands that write an archive, killed at any moment: what they acknowledged is there, what they did not is
// there whole or not at all, and the same command given again completes.
#include <chrono>
#include <csignal>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

std::string contents_of(std::uint64_t seed, std::size_t size) {
  std::string out(size, '\0');
  std::uint64_t state = seed | 1;
  for (char& c : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return out;
}

std::vector<std::string> of(const std::string& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--json", "--dir", folder});
  return sheaf_command(arguments);
}

Ended run(const std::string& folder, std::vector<std::string> arguments, std::string input = {}) {
  arguments.insert(arguments.begin(), {"--json", "--dir", folder});
  return run_sheaf(arguments, std::move(input));
}

// How long the command takes here and now when nobody kills it, about: the moments of killing are drawn from
// that.
class Pace {
 public:
  Ended run_timed(const std::string& folder, std::vector<std::string> arguments, std::string input = {}) {
    const auto begun = std::chrono::steady_clock::now();
    Ended ended = run(folder, std::move(arguments), std::move(input));
    usual_ = std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - begun);
    return ended;
  }
  Microseconds draw(Draws& draws) const { return draws.up_to(usual_ + usual_ / 4); }

 private:
  Microseconds usual_ = std::chrono::milliseconds(100);
};

// Killed after so long, or done before; whether it was killed.
bool run_for(const std::string& folder, std::vector<std::string> arguments, std::string input,
             Microseconds time) {
  Process process(of(folder, std::move(arguments)), std::move(input));
  if (process.run_for(time)) {
    const Ended ended = process.end();
    REQUIRE_MESSAGE(ended.code == 0, ended.err);
    return false;
  }
  const Ended ended = process.kill();
  // It may have come to its end in the very moment.
  REQUIRE_MESSAGE((ended.code == -SIGKILL || ended.code == 0), ended.err);
  return ended.code != 0;
}

// The archive is exactly these files, and says so by itself.
void check_is(const std::string& folder, const std::map<std::string, std::string>& files) {
  const Ended listed = run(folder, {"list"});
  REQUIRE_MESSAGE(listed.code == 0, listed.err);
  std::map<std::string, std::uint64_t> seen;
  std::istringstream lines(listed.out);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    CHECK(entry["local"] == entry["blocks"]);
    seen[entry["name"]] = entry["length"];
  }
  CHECK(seen.size() == files.size());
  for (const auto& [name, contents] : files) {
    REQUIRE(seen.contains(name));
    CHECK(seen[name] == contents.size());
  }
}

}  // namespace

TEST_CASE(
    "sheaf write and rm, killed 50 times: nothing acknowledged is lost, nothing half written has a name") {
  CrashFolder scratch;
  const std::string folder = scratch / "writer";
  Draws draws(71);
  Pace pace;
  std::map<std::string, std::string> files;
  std::size_t kills = 0, taken_effect = 0, rounds = 0;
  for (; kills < 50 && rounds < 400; ++rounds) {
    const std::string name = "/" + std::to_string(draws.below(12));
    // Most within one group of blocks, some over several.
    const std::size_t size = draws.below(draws.one_in(3) ? 5'000'000 : 100'000);
    const std::string contents = contents_of(draws.seed(), size);
    const bool removing = files.contains(name) && draws.one_in(4);
    const std::vector<std::string> command =
        removing ? std::vector<std::string>{"rm", name} : std::vector<std::string>{"write", name};
    const std::string& input = removing ? std::string() : contents;
    const bool killed = run_for(folder, command, input, pace.draw(draws));
    kills += killed;
    if (killed) {
      const Ended read = run(folder, {"cat", name});
      // 3: no such entry, or not even a store.
      REQUIRE_MESSAGE((read.code == 0 || read.code == 3), read.err);
      const bool is_old = files.contains(name) ? read.code == 0 && read.out == files[name] : read.code == 3;
      const bool is_new = removing ? read.code == 3 : read.code == 0 && read.out == contents;
      REQUIRE_MESSAGE((is_old || is_new), name, ": ", read.code, ", ", read.out.size(), " bytes");
      taken_effect += is_new && !is_old;
      const Ended again = pace.run_timed(folder, command, input);
      REQUIRE_MESSAGE((again.code == 0 || (removing && is_new && again.code == 3)), again.err);
    }
    if (removing)
      files.erase(name);
    else
      files[name] = contents;
    const Ended read = run(folder, {"cat", name});
    CHECK(read.code == (removing ? 3 : 0));
    if (!removing) CHECK(read.out == contents);
    check_is(folder, files);
  }
  MESSAGE(kills, " kills in ", rounds, " rounds, ", taken_effect, " of them after it had taken effect");
  CHECK(kills == 50);
  for (const auto& [name, contents] : files) CHECK(run(folder, {"cat", name}).out == contents);
}

TEST_CASE("sheaf truncate, killed: the archive is at the old version or at the new one, and goes on") {
  CrashFolder scratch;
  const std::string folder = scratch / "writer";
  Draws draws(72);
  Pace pace;
  std::map<std::string, std::string> files;
  for (int i = 0; i < 8; ++i) {
    const std::string name = "/" + std::to_string(i);
    files[name] = contents_of(draws.seed(), 70'000);
    REQUIRE(run(folder, {"write", name}, files[name]).code == 0);
  }
  for (std::size_t kills = 0, rounds = 0; kills < 10 && rounds < 100; ++rounds) {
    const auto version = [&] {
      const Ended info = run(folder, {"info"});
      REQUIRE(info.code == 0);
      return nlohmann::json::parse(info.out)["archives"][0]["version"].get<std::uint64_t>();
    };
    REQUIRE(version() == 9);
    const bool killed = run_for(folder, {"truncate", "5"}, {}, pace.draw(draws));
    kills += killed;
    if (killed) {
      const std::uint64_t left = version();
      REQUIRE((left == 9 || left == 5));
      REQUIRE(pace.run_timed(folder, {"truncate", "5"}).code == 0);
    }
    REQUIRE(version() == 5);
    std::map<std::string, std::string> kept(files.begin(), std::next(files.begin(), 4));
    check_is(folder, kept);
    for (int i = 4; i < 8; ++i) {
      const std::string name = "/" + std::to_string(i);
      REQUIRE(run(folder, {"write", name}, files[name]).code == 0);
    }
    check_is(folder, files);
    for (const auto& [name, contents] : files) CHECK(run(folder, {"cat", name}).out == contents);
  }
}
