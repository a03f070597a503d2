// Imports, exports and clones that are killed: nothing is half there under its name, what was said is there,
// and the same command again does the rest.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <sstream>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"
#include "tests/support/folder_tree.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr std::size_t kills_of_each = 25;

// Files enough for several batches, some of many blocks; and links.
void fill(const fs::path& folder, Draws& draws) {
  const auto contents = [&](std::uint64_t most) {
    std::string text(1 + draws.below(most), 'x');
    for (char& c : text) c = static_cast<char>('!' + draws.below(90));
    return text;
  };
  for (int i = 0; i < 700; ++i)
    write_file(folder / ("d" + std::to_string(i % 7)) / ("f" + std::to_string(i)),
               contents(i % 70 ? 2000 : 400'000));
  write_file(folder / "large", std::string(4'000'000, 'l'));
  write_file(folder / "empty", "");
  for (int i = 0; i < 5; ++i)
    fs::create_symlink("f" + std::to_string(i), folder / ("link" + std::to_string(i)));
}

// Every name that is there is whole. How many there are.
std::size_t assert_whole(const Tree& found, const Tree& source) {
  std::size_t count = 0;
  for (const auto& one : found) {
    const std::string& name = one.first;
    const auto& contents = one.second;
    if (name.find("/.sheaf-part-") != std::string::npos) continue;
    const auto wanted = source.find(name);
    REQUIRE_MESSAGE(wanted != source.end(), name);
    REQUIRE_MESSAGE(wanted->second == contents, name);
    ++count;
  }
  return count;
}

// The names of whole lines "add NAME" or "change NAME".
Lines said_by(const Ended& ended) {
  Lines names;
  std::istringstream in(ended.out);
  for (std::string line; std::getline(in, line) && !in.eof();)
    if (const std::size_t space = line.find(' '); space != std::string::npos)
      names.push_back(line.substr(space + 1));
  return names;
}

// What the archives of that folder hold, by way of an export of what is here.
Tree held_by(const std::string& folder, const std::string& out) {
  fs::remove_all(out);
  const Ended ended = run_sheaf({"-d", folder, "export", out});
  REQUIRE_MESSAGE((ended.code == 0 || ended.code == 3 || ended.code == 6), ended.err);
  return fs::exists(out) ? tree_of(out) : Tree();
}

Ended run(const std::vector<std::string>& command) { return Process(command).end(); }

// How long the command takes when nobody kills it.
Microseconds time_of(const std::vector<std::string>& command) {
  const auto begun = std::chrono::steady_clock::now();
  const Ended ended = run(command);
  REQUIRE_MESSAGE(ended.code == 0, ended.err);
  return std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - begun);
}

struct Killing {
  std::size_t killed = 0;
  std::size_t halfway = 0;  // some were there, but not all
  std::size_t said = 0;     // names that were told before

  // Goes on past that many kills until one was halfway.
  bool goes_on() const { return killed < kills_of_each || halfway == 0; }
  void note(std::size_t there, std::size_t all, const Lines& names) {
    ++killed;
    halfway += there > 0 && there < all;
    said += names.size();
  }
  void print(const char* what) const {
    std::printf(
        "crash: %zu kills of %s, %zu of them halfway: %zu names were told and all there, nothing was half "
        "written\n",
        killed, what, halfway, said);
  }
};

// Runs it for a time drawn up to what it takes, and kills it; nothing if it had ended by then.
std::optional<Ended> kill_within(Microseconds most, const std::vector<std::string>& command, Draws& draws) {
  Process process(command);
  process.run_for(draws.up_to(most));
  Ended ended = process.kill();
  if (ended.code != -SIGKILL) return std::nullopt;
  return ended;
}

}  // namespace

TEST_CASE("an import that is killed leaves whole entries, and is done by the next one") {
  Draws draws(20);
  CrashFolder scratch;
  const fs::path in = scratch / "in";
  fill(in, draws);
  const Tree source = tree_of(in);
  const std::string out = scratch / "out";
  const auto import = [&](const std::string& folder) {
    return sheaf_command({"-d", folder, "import", in.string()});
  };
  const Microseconds most = time_of(import(scratch / "first"));
  Killing killing;
  for (std::size_t round = 0; killing.goes_on(); ++round) {
    REQUIRE(round < 20 * kills_of_each);
    const std::string folder = scratch / ("store" + std::to_string(round));
    const auto killed = kill_within(most, import(folder), draws);
    if (!killed) continue;
    const Tree there = held_by(folder, out);
    const Lines said = said_by(*killed);
    for (const std::string& name : said) REQUIRE_MESSAGE(there.contains(name), name);
    killing.note(assert_whole(there, source), source.size(), said);
    const Ended again = run(import(folder));
    REQUIRE_MESSAGE(again.code == 0, again.err);
    for (const std::string& name : said_by(again)) CHECK_MESSAGE(!there.contains(name), name);
    CHECK(held_by(folder, out) == source);
    fs::remove_all(folder);
  }
  killing.print("an import");
}

TEST_CASE("an export that is killed leaves whole files under their names, and is done by the next one") {
  Draws draws(21);
  CrashFolder scratch;
  const fs::path in = scratch / "in";
  fill(in, draws);
  const Tree source = tree_of(in);
  const std::string folder = scratch / "store";
  REQUIRE(run_sheaf({"-d", folder, "import", in.string()}).code == 0);
  const auto export_to = [&](const std::string& out) { return sheaf_command({"-d", folder, "export", out}); };
  const Microseconds most = time_of(export_to(scratch / "first"));
  Killing killing;
  for (std::size_t round = 0; killing.goes_on(); ++round) {
    REQUIRE(round < 20 * kills_of_each);
    const std::string out = scratch / ("out" + std::to_string(round));
    const auto killed = kill_within(most, export_to(out), draws);
    if (!killed) continue;
    const Tree there = tree_of(out);
    const Lines said = said_by(*killed);
    for (const std::string& name : said) REQUIRE_MESSAGE(there.contains(name), name);
    killing.note(assert_whole(there, source), source.size(), said);
    const Ended again = run(export_to(out));
    REQUIRE_MESSAGE(again.code == 0, again.err);
    for (const std::string& name : said_by(again)) CHECK_MESSAGE(!there.contains(name), name);
    CHECK(tree_of(out) == source);  // what the killed one was writing has gone, too
    fs::remove_all(out);
  }
  killing.print("an export");
}

// A folder that another one is to get, with its key, and a server that holds it.
struct Served {
  Served(CrashFolder& scratch, const fs::path& in) : folder(scratch / "served") {
    const Ended made = run_sheaf({"-d", folder, "init"});
    REQUIRE_MESSAGE(made.code == 0, made.err);
    key = made.out.substr(0, made.out.find('\n'));
    REQUIRE(run_sheaf({"-d", folder, "import", in.string()}).code == 0);
    server.emplace(sheaf_command({"-d", folder, "serve", "--listen", "tcp://127.0.0.1:0"}));
    const auto line = server->line();
    REQUIRE((line && line->starts_with("listening ")));
    address = line->substr(10);
  }
  std::string folder, key, address;
  std::optional<Process> server;
};

// Fetches all of it into fresh folders by the command, kills it, looks at what is there, and does it again.
template <class CommandFor>
void kill_fetching(CrashFolder& scratch, const Tree& source, const char* what, Draws& draws,
                   CommandFor command_for) {
  const std::string out = scratch / "out";
  const Microseconds most = time_of(command_for(scratch / "first"));
  Killing killing;
  for (std::size_t round = 0; killing.goes_on(); ++round) {
    REQUIRE(round < 20 * kills_of_each);
    const std::string folder = scratch / ("store" + std::to_string(round));
    const auto killed = kill_within(most, command_for(folder), draws);
    if (!killed) continue;
    killing.note(assert_whole(held_by(folder, out), source), source.size(), {});
    const Ended again = run(command_for(folder));
    REQUIRE_MESSAGE(again.code == 0, again.err);
    CHECK(held_by(folder, out) == source);
    fs::remove_all(folder);
  }
  killing.print(what);
}

TEST_CASE("a clone that is killed holds whole files, and is done by the next one") {
  Draws draws(22);
  CrashFolder scratch;
  fill(scratch / "in", draws);
  const Tree source = tree_of(scratch / "in");
  const Served served(scratch, scratch / "in");
  kill_fetching(scratch, source, "a clone", draws, [&](const std::string& folder) {
    return sheaf_command({"-d", folder, "clone", served.key, served.address});
  });
}

TEST_CASE("a sync that is killed holds whole files, and is done by the next one") {
  Draws draws(23);
  CrashFolder scratch;
  fill(scratch / "in", draws);
  const Tree source = tree_of(scratch / "in");
  const Served served(scratch, scratch / "in");
  int pairs = 0;
  kill_fetching(scratch, source, "a sync", draws, [&](const std::string& folder) {
    // Two syncs, each with the stdout of the other as its stdin. The one that may be killed is the process
    // itself.
    const std::string pair = scratch / ("pair" + std::to_string(++pairs));
    REQUIRE(::mkfifo((pair + "a").c_str(), 0600) == 0);
    REQUIRE(::mkfifo((pair + "b").c_str(), 0600) == 0);
    const char* script =
        R"("$0" -d "$1" sync <"$3a" >"$3b" 2>/dev/null & exec "$0" -d "$2" sync >"$3a" <"$3b")";
    return std::vector<std::string>{"sh",          "-c",   script, sheaf_command({}).front(),
                                    served.folder, folder, pair};
  });
}
