// kill -9 under load of `sheaf store`: what a command acknowledged is there, a batch is there whole or not at
// all, and no copy is without its pointer.
//
// Writers run side by side, each on keys of its own, so that it is known what each may leave. Whoever holds
// the folder is killed: a server, to which the writers hand their work over, or one of the writers.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"
#include "tests/crash/starved_store.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, std::string>;

constexpr std::size_t kills_wanted = 100;
constexpr std::size_t writers = 3;
constexpr std::size_t pipe_bytes = 64 * 1024;  // what a pipe takes at once

// Small values in one store, larger ones in two.
constexpr const char* configuration = R"([[storage.store]]
label = "small"
[[storage.store]]
label = "one"
backend = "log"
[[storage.store]]
label = "two"
backend = "log"
[storage]
fallback = "small"
[[storage.route]]
min_size = "4 KiB"
to = ["one", "two"]
)";

// One call of `sheaf store` that changes something: what it does to the values.
struct Work {
  std::vector<std::string> arguments;
  std::string input;
  Values puts;
  std::vector<std::string> deletes;

  Values after(Values values) const {
    for (const auto& [key, value] : puts) values[key] = value;
    for (const std::string& key : deletes) values.erase(key);
    return values;
  }
};

std::string drawn_value(const std::string& about, Draws& draws) {
  std::string value = about;
  value.resize(about.size() + draws.below(draws.one_in(4) ? 7'000 : 300), 'v');
  return value;
}

// A put of one key, or a batch of many; no two calls write the same values.
Work drawn_work(const std::string& folder, std::size_t writer, std::uint64_t number, Draws& draws) {
  const auto key = [&](std::uint64_t at) { return "w" + std::to_string(writer) + "/" + std::to_string(at); };
  const std::string about = std::to_string(number) + ":";
  Work work;
  if (draws.one_in(4)) {
    const std::string one = key(draws.below(40));
    work.puts[one] = drawn_value(about, draws);
    work.arguments = {"-d", folder, "store", "put", one};
    work.input = work.puts[one];
    return work;
  }
  work.arguments = {"-d", folder, "store", "batch"};
  for (std::uint64_t at = 0; at < 40; ++at) {
    if (draws.one_in(3)) continue;
    const std::string one = key(at);
    if (draws.one_in(5)) {
      work.deletes.push_back(one);
      work.input += Json{{"type", "del"}, {"key", one}}.dump() + "\n";
    } else {
      work.puts[one] = drawn_value(about, draws);
      work.input += Json{{"type", "put"}, {"key", one}, {"value", work.puts[one]}}.dump() + "\n";
    }
  }
  REQUIRE(work.input.size() < pipe_bytes);
  return work;
}

Values of_writer(const Values& values, std::size_t writer) {
  const std::string prefix = "w" + std::to_string(writer) + "/";
  Values out;
  for (const auto& [key, value] : values)
    if (key.starts_with(prefix)) out[key] = value;
  return out;
}

struct Tally {
  std::size_t kills = 0;
  std::size_t acknowledged = 0;
  std::size_t unknown = 0;
  std::size_t applied = 0;  // of the unknown ones
};

// Lets the writers run, kills who holds the folder at a moment that is drawn, and looks at what each left.
void one_round(const std::string& folder, bool served, std::uint64_t round, Microseconds most, Values& values,
               Draws& draws, Tally& tally) {
  std::vector<Work> works;
  for (std::size_t writer = 0; writer < writers; ++writer)
    works.push_back(drawn_work(folder, writer, round, draws));
  std::vector<std::unique_ptr<Process>> running;
  std::unique_ptr<Process> server;
  if (served) {
    server =
        std::make_unique<Process>(sheaf_command({"-d", folder, "serve", "--listen", "tcp://127.0.0.1:0"}));
    REQUIRE(server->line().has_value());  // it listens, and so holds the folder
  }
  for (const Work& work : works) {
    running.push_back(std::make_unique<Process>(sheaf_command(work.arguments), work.input));
    // All of its input lies in the pipe, so that nobody waits for us while we wait for another.
    running.back()->run_for(std::chrono::milliseconds(2));
  }
  Process& victim = served ? *server : *running.front();
  victim.run_for(draws.up_to(most));
  const Ended killed = victim.kill();
  if (killed.code == -SIGKILL) ++tally.kills;

  std::vector<int> codes;
  for (std::size_t writer = 0; writer < writers; ++writer) {
    if (!served && writer == 0)
      codes.push_back(killed.code);
    else
      codes.push_back(running[writer]->end().code);
  }
  const Values found = listed_values(folder);
  for (std::size_t writer = 0; writer < writers; ++writer) {
    const Values now = of_writer(found, writer), before = of_writer(values, writer);
    const Values after = works[writer].after(before);
    INFO("round ", round, ", writer ", writer, " ended with ", codes[writer]);
    if (codes[writer] == 0) {
      ++tally.acknowledged;
      REQUIRE(now == after);
      continue;
    }
    ++tally.unknown;
    const bool applied = now == after;
    tally.applied += applied;
    REQUIRE((applied || now == before));
  }
  values = found;
}

void assert_in_order(const std::string& folder) {
  const Ended check = run_sheaf({"-d", folder, "store", "check"});
  REQUIRE_MESSAGE(check.code == 0, check.out, check.err);
}

}  // namespace

TEST_CASE("values that were acknowledged survive a kill, and batches are there whole or not at all") {
  Draws draws(30);
  CrashFolder scratch;
  const std::string folder = scratch / "store";
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/sheaf.toml") << configuration;
  Values values;
  const Work first = drawn_work(folder, 0, 0, draws);
  const auto begun = std::chrono::steady_clock::now();
  REQUIRE(run_sheaf(first.arguments, first.input).code == 0);
  values = first.after(values);
  const auto alone = std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - begun);

  Tally tally;
  for (std::uint64_t round = 1; tally.kills < kills_wanted; ++round) {
    REQUIRE(round < 20 * kills_wanted);
    one_round(folder, draws.one_in(2), round, alone * 3 / 2, values, draws, tally);
    if (round % 5 == 0) assert_in_order(folder);
  }
  assert_in_order(folder);
  CHECK(tally.acknowledged > 0);
  CHECK(tally.unknown > 0);
  std::printf(
      "crash: %zu kills under sheaf store put and batch: %zu calls acknowledged and all there; of %zu others "
      "%zu applied whole, the rest not at all\n",
      tally.kills, tally.acknowledged, tally.unknown, tally.applied);
}
