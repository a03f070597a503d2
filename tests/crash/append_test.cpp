// A writer that is killed: by the public interface, and as `sheaf core append`.
#include <algorithm>
#include <csignal>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

struct Tally {
  std::size_t kills = 0;
  std::size_t acknowledged = 0;  // steps
  std::size_t heads = 0;
  std::size_t in_flight = 0;  // steps that were not acknowledged and are there
};

// One life of the writer. What it acknowledged goes into `written`; its folder has to hold that, or that and
// the one step that was under way.
void write_until_killed(const std::string& folder, const char* how, Draws& draws, Written& written,
                        Ledger& ledger, Tally& tally) {
  const std::uint64_t seed = draws.seed();
  WriterScript script(seed, std::string_view(how) == "truncate");
  Process writer({SHEAF_CRASH_WRITER, folder, std::to_string(seed), how});
  REQUIRE_FALSE(writer.run_for(draws.up_to(std::chrono::milliseconds(250))));
  const Ended ended = writer.kill();
  REQUIRE_MESSAGE(ended.code == -SIGKILL, ended.err);
  ++tally.kills;

  const auto said = static_cast<std::size_t>(std::count(ended.out.begin(), ended.out.end(), '\n'));
  std::optional<Written> pending;
  for (std::size_t step = 0; step + 1 < said; ++step) {
    written.apply(script.next(written.length()));
    ledger.note(written.head());
    ++tally.acknowledged;
  }
  if (said > 0) {
    const std::string last = ended.out.substr(ended.out.rfind('\n', ended.out.size() - 2) + 1);
    CHECK(last == std::to_string(written.length()) + " " + std::to_string(written.head().fork.value) + "\n");
    pending = written;
    pending->apply(script.next(written.length()));
  }

  const auto stored = read_stored(folder, "log");
  if (!stored) {  // it was killed before the core was there
    REQUIRE(said == 0);
    REQUIRE(written.length() == 0);
    return;
  }
  const bool with_pending = pending && pending->is(*stored);
  INFO("acknowledged ", written.length(), " blocks on fork ", written.head().fork.value, ", found ",
       stored->head.length.value, " on fork ", stored->head.fork.value);
  REQUIRE((with_pending || written.is(*stored)));
  REQUIRE(goes_on(written.head(), stored->head));
  if (with_pending) {
    written = *pending;
    ++tally.in_flight;
  }
  ledger.note(stored->head);
}

Tally kill_writers(std::size_t kills, const char* how, std::uint64_t stream) {
  CrashFolder scratch;
  const std::string folder = scratch / "writer";
  Draws draws(stream);
  Written written;
  Ledger ledger;
  Tally tally;
  while (tally.kills < kills) {
    write_until_killed(folder, how, draws, written, ledger, tally);
    if (written.length() > 20'000) {  // long enough: another core
      std::filesystem::remove_all(folder);
      written = {};
      tally.heads += ledger.heads();
      ledger = {};
    }
  }
  std::printf(
      "crash: %zu kills of a writer (%s): %zu steps acknowledged, none lost; %zu more were done but not "
      "said; %zu heads, one tree each\n",
      tally.kills, how, tally.acknowledged, tally.in_flight, tally.heads + ledger.heads());
  return tally;
}

std::string random_line(Draws& draws) {
  std::string line(draws.below(draws.one_in(20) ? 20'000 : 300), 'x');
  for (char& c : line) c = static_cast<char>('!' + draws.below(90));
  return line;
}

Buffer block_of(const std::string& line) { return to_buffer(as_bytes(line)); }

std::string text_of(const std::vector<Buffer>& blocks) {
  std::string text;
  for (const Buffer& block : blocks) text += std::string(as_text(block)) + "\n";
  return text;
}

// Takes over what an append that was killed has left: some of the first of these blocks.
std::size_t adopt(const Stored& stored, const std::vector<Buffer>& pending, Written& written,
                  Ledger& ledger) {
  REQUIRE(stored.head.length.value >= written.length());
  const std::size_t more = stored.head.length.value - written.length();
  REQUIRE(more <= pending.size());
  written.append({pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(more)});
  REQUIRE(written.is(stored));
  ledger.note(stored.head);
  return more;
}

std::uint64_t length_in(const std::string& line) { return nlohmann::json::parse(line).at("length"); }

}  // namespace

TEST_CASE("a writer killed at any moment has kept every block it acknowledged and never gets shorter") {
  const Tally tally = kill_writers(20, "append", 1);
  CHECK(tally.acknowledged > 100);
}

TEST_CASE("a writer killed between appends and truncations never signs two trees for one fork and length") {
  const Tally tally = kill_writers(15, "truncate", 2);
  CHECK(tally.acknowledged > 100);
}

TEST_CASE("a killed core append of many lines has kept a beginning of them, and the rest can be appended") {
  constexpr std::size_t kills = 10;
  CrashFolder scratch;
  const std::string folder = scratch / "writer";
  REQUIRE(run_sheaf({"-d", folder, "core", "create", "log"}).code == 0);
  Draws draws(3);
  Written written;
  Ledger ledger;
  std::size_t killed = 0;
  std::size_t kept = 0;
  for (std::size_t round = 0; killed < kills; ++round) {
    REQUIRE(round < 10 * kills);
    std::vector<Buffer> lines;
    for (int i = 0; i < 10'000; ++i) lines.push_back(block_of(random_line(draws)));
    Process command(sheaf_command({"-d", folder, "--json", "core", "append", "log", "--lines"}),
                    text_of(lines));
    command.run_for(draws.up_to(std::chrono::milliseconds(120)));
    killed += command.kill().code == -SIGKILL;
    const auto stored = read_stored(folder, "log");
    REQUIRE(stored.has_value());
    const std::size_t done = adopt(*stored, lines, written, ledger);
    kept += done;

    // The same command for what is left of it.
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(done));
    lines.resize(std::min<std::size_t>(lines.size(), 50));
    const Ended again =
        run_sheaf({"-d", folder, "--json", "core", "append", "log", "--lines"}, text_of(lines));
    REQUIRE_MESSAGE(again.code == 0, again.err);
    written.append(lines);
    ledger.note(written.head());
    CHECK(length_in(again.out) == written.length());
  }
  const auto stored = read_stored(folder, "log");
  REQUIRE(stored.has_value());
  CHECK(written.is(*stored));
  std::printf("crash: %zu kills of core append --lines: %zu lines were kept, each where it belongs\n", killed,
              kept);
}

TEST_CASE(
    "a killed core append of one block is there whole or not at all, and completes when it is repeated") {
  constexpr std::size_t kills = 8;
  CrashFolder scratch;
  const std::string folder = scratch / "writer";
  REQUIRE(run_sheaf({"-d", folder, "core", "create", "log"}).code == 0);
  Draws draws(4);
  Written written;
  Ledger ledger;
  std::size_t killed = 0;
  std::size_t there = 0;
  Microseconds whole = std::chrono::milliseconds(1);  // what the command takes from start to end
  for (std::size_t round = 0; killed < kills; ++round) {
    REQUIRE(round < 20 * kills);
    const std::vector<Buffer> block{block_of(random_line(draws))};
    const std::vector<std::string> append = sheaf_command({"-d", folder, "--json", "core", "append", "log"});
    Process command(append, std::string(as_text(block[0])));
    command.run_for(draws.up_to(whole));
    const Ended ended = command.kill();
    killed += ended.code == -SIGKILL;
    const auto stored = read_stored(folder, "log");
    REQUIRE(stored.has_value());
    const std::size_t more = adopt(*stored, block, written, ledger);
    if (!ended.out.empty()) {  // it was acknowledged
      CHECK(more == 1);
      CHECK(length_in(ended.out) == written.length());
    }
    there += more;
    if (more == 1) continue;
    const auto begun = std::chrono::steady_clock::now();
    const Ended again = Process(append, std::string(as_text(block[0]))).end();
    whole = std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - begun);
    REQUIRE_MESSAGE(again.code == 0, again.err);
    written.append(block);
    CHECK(length_in(again.out) == written.length());
    ledger.note(written.head());
  }
  std::printf("crash: %zu kills of core append: %zu times the block was there\n", killed, there);
}
