// A reader that is killed while it fetches, a server that is killed while it serves and takes appends, and
// who comes to a folder after its holder was killed.
#include <algorithm>
#include <csignal>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "protocol/signables.hpp"
#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"
#include "tests/support/places.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

using Json = nlohmann::json;

std::string random_line(Draws& draws, std::uint64_t most) {
  std::string line(1 + draws.below(most), 'x');
  for (char& c : line) c = static_cast<char>('!' + draws.below(90));
  return line;
}

// So many lines as blocks, and as the text that makes them.
struct Lines {
  std::vector<Buffer> blocks;
  std::string text;
  Lines(Draws& draws, std::size_t count, std::uint64_t most) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string line = random_line(draws, most);
      blocks.push_back(to_buffer(as_bytes(line)));
      text += line + "\n";
    }
  }
};

std::string first_line(const Ended& ended) { return ended.out.substr(0, ended.out.find('\n')); }

std::string create_core(const std::string& folder) {
  const Ended created = run_sheaf({"-d", folder, "core", "create", "log"});
  REQUIRE_MESSAGE(created.code == 0, created.err);
  return first_line(created);
}

void append_lines(const std::string& folder, const Lines& lines) {
  const Ended appended = run_sheaf({"-d", folder, "core", "append", "log", "--lines"}, lines.text);
  REQUIRE_MESSAGE(appended.code == 0, appended.err);
}

void follow(const std::string& folder, const std::string& key) {
  const Ended added = run_sheaf({"-d", folder, "add", key, "--core"});
  REQUIRE_MESSAGE(added.code == 0, added.err);
}

// `sheaf serve` on a port of its own.
class Server {
 public:
  explicit Server(const std::string& folder)
      : process_(sheaf_command({"-d", folder, "serve", "--listen", "tcp://127.0.0.1:0"})) {
    const auto line = process_.line();
    REQUIRE_MESSAGE((line && line->starts_with("listening ")), process_.kill().err);
    address_ = line->substr(10);
  }
  const std::string& address() const { return address_; }
  bool run_for(Microseconds time) { return process_.run_for(time); }
  bool kill() { return process_.kill().code == -SIGKILL; }

 private:
  Process process_;
  std::string address_;
};

std::vector<std::string> connect_command(const std::string& folder, const std::string& address) {
  return sheaf_command({"-d", folder, "--json", "connect", address});
}

// Every block that is held is the source's, nothing that was here has gone, and the head goes on.
Stored look_at_reader(const std::string& folder, const std::string& key, const Written& source,
                      const Stored& before, Ledger& ledger) {
  auto now = read_stored(folder, key);
  REQUIRE(now.has_value());
  REQUIRE(source.begins_with(*now));
  REQUIRE(goes_on(before.head, now->head));
  for (std::size_t i = 0; i < before.blocks.size(); ++i)
    if (before.blocks[i] && !now->blocks[i]) FAIL("block ", i, " was here before");
  ledger.note(now->head);
  return std::move(*now);
}

// Fetches what is missing, and nothing that is here.
void complete(const std::string& folder, const std::string& key, const std::string& address,
              const Written& source, Stored& here, Ledger& ledger) {
  const Ended ended = Process(connect_command(folder, address)).end();
  REQUIRE_MESSAGE(ended.code == 0, ended.err);
  CHECK(Json::parse(first_line(ended)).at("blocks_received") == source.length() - here.held);
  here = look_at_reader(folder, key, source, here, ledger);
  CHECK(source.is(here));
}

// When to kill, so that it hits the fetching itself: most of a command's time goes by before it and after it.
class Window {
 public:
  Microseconds draw(Draws& draws) const { return draws.up_to(most_); }
  void came_too_early() { most_ = std::min<Microseconds>(most_ * 5 / 4, std::chrono::seconds(2)); }
  void came_too_late() { most_ = std::max<Microseconds>(most_ * 3 / 4, std::chrono::milliseconds(2)); }

 private:
  Microseconds most_ = std::chrono::milliseconds(80);
};

// Kills readers of one source while they fetch, some of them more than once, and lets each folder complete.
// Goes on past that many kills until one was halfway, which on a loaded machine may take a few.
void kill_readers(std::size_t kills, const std::string& what, const std::string& key,
                  const std::string& address, const Written& source, Draws& draws) {
  CrashFolder scratch;
  Ledger ledger;
  ledger.note(source.head());
  Window window;
  std::size_t folders = 0;
  std::size_t killed = 0;
  std::size_t halfway = 0;  // kills that left some of the blocks, but not all
  while (killed < kills || halfway == 0) {
    REQUIRE(folders < 10 * kills);
    const std::string folder = scratch / ("reader" + std::to_string(++folders));
    follow(folder, key);
    Stored here;
    while ((killed < kills || halfway == 0) && here.held < source.length()) {
      Process reader(connect_command(folder, address));
      reader.run_for(window.draw(draws));
      killed += reader.kill().code == -SIGKILL;
      const std::uint64_t before = here.held;
      here = look_at_reader(folder, key, source, here, ledger);
      if (here.held == before) window.came_too_early();
      if (here.held == source.length()) window.came_too_late();
      halfway += here.held > 0 && here.held < source.length();
      if (here.held > 0 && draws.one_in(3)) break;
    }
    complete(folder, key, address, source, here, ledger);
    std::filesystem::remove_all(folder);
  }
  CHECK(halfway > 0);
  std::printf(
      "crash: %zu kills of a reader of %s in %zu folders, %zu of them halfway: no block was lost or fetched "
      "twice, all complete\n",
      killed, what.c_str(), folders, halfway);
}

// How many of the pending blocks the writer's folder holds behind what was written; they are ours from now
// on.
void adopt(const Stored& stored, const std::vector<Buffer>& pending, Written& written) {
  REQUIRE(stored.head.length.value >= written.length());
  const std::size_t more = stored.head.length.value - written.length();
  REQUIRE(more <= pending.size());
  written.append({pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(more)});
  REQUIRE(written.is(stored));
}

// A Node peer: one JSON line to it, one answer back.
class NodePeer {
 public:
  explicit NodePeer(const std::string& folder)
      : process_({"node", (source_folder() / "tests/interop/peer.mjs").string(), folder}, {}, true) {
    REQUIRE(process_.line().value_or("").find("ready") != std::string::npos);
  }
  Json ask(Json request) {
    request["id"] = ++asked_;
    process_.feed(request.dump() + "\n");
    while (const auto line = process_.line()) {
      Json answer = Json::parse(*line);
      if (answer.value("id", 0) != asked_) continue;  // an event
      REQUIRE_MESSAGE(!answer.contains("error"), *line);
      return answer.at("value");
    }
    FAIL("the Node peer has ended");
    return {};
  }

 private:
  Process process_;
  int asked_ = 0;
};

bool node_is_here() { return Process({"sh", "-c", "command -v node"}).end().code == 0; }

}  // namespace

TEST_CASE("a reader killed while it fetches keeps what it had, fetches none of it again, and completes") {
  Draws draws(5);
  CrashFolder scratch;
  const std::string folder = scratch / "source";
  const std::string key = create_core(folder);
  const Lines lines(draws, 3000, 6000);
  append_lines(folder, lines);
  Written source;
  source.append(lines.blocks);
  Server server(folder);
  kill_readers(20, "sheaf serve", key, server.address(), source, draws);
}

TEST_CASE("a reader killed while it fetches from a Node peer completes all the same") {
  if (!node_is_here()) {
    MESSAGE("node is not installed");
    return;
  }
  Draws draws(6);
  CrashFolder scratch;
  NodePeer peer(scratch / "node");
  const std::string key = peer.ask({{"do", "open"}, {"core", "a"}}).at("key");
  peer.ask({{"do", "append"}, {"core", "a"}, {"pattern", "3000/crash"}, {"count", 2000}});
  const auto port = peer.ask({{"do", "listen"}}).at("port").get<int>();
  const std::string address = "tcp://127.0.0.1:" + std::to_string(port);

  // The blocks as a reader has them that nobody killed.
  const std::string first = scratch / "first";
  follow(first, key);
  REQUIRE(Process(connect_command(first, address)).end().code == 0);
  const auto whole = read_stored(first, key);
  REQUIRE(whole.has_value());
  REQUIRE(whole->held == 2000);
  Written source;
  std::vector<Buffer> blocks;
  for (const auto& block : whole->blocks) blocks.push_back(*block);
  source.append(blocks);
  REQUIRE(source.is(*whole));
  kill_readers(5, "a Node peer", key, address, source, draws);
  CHECK(peer.ask({{"do", "info"}, {"core", "a"}}).at("conflicts") == 0);
}

TEST_CASE(
    "a server killed while it serves and takes appends goes on where it was, and its reader completes") {
  constexpr std::size_t kills = 15;
  Draws draws(7);
  CrashFolder scratch;
  const std::string folder = scratch / "source";
  const std::string reader = scratch / "reader";
  const std::string key = create_core(folder);
  const Lines begin(draws, 500, 4000);
  append_lines(folder, begin);
  follow(reader, key);
  Written source;
  source.append(begin.blocks);
  Ledger ledger;
  Stored here;
  std::size_t killed = 0;
  std::size_t cut = 0;
  std::size_t said_done = 0;
  for (std::size_t round = 0; killed < kills; ++round) {
    REQUIRE(round < 10 * kills);
    const Lines lines(draws, 1000, 2000);
    Server server(folder);
    Process connect(connect_command(reader, server.address()));
    Process append(sheaf_command({"-d", folder, "--json", "core", "append", "log", "--lines"}), lines.text);
    // The appending process and the reader go on by themselves; only the server has to be watched.
    append.run_for(draws.up_to(std::chrono::milliseconds(150)));
    killed += server.kill();
    const Ended appended = append.end();
    const Ended read = connect.end();
    const std::uint64_t acknowledged =
        appended.code == 0 ? Json::parse(first_line(appended)).at("length").get<std::uint64_t>() : 0;
    REQUIRE_MESSAGE((appended.code == 0 || appended.code == 1), appended.err);
    REQUIRE_MESSAGE((read.code == 0 || read.code == 6), read.err);
    cut += read.code == 6;
    said_done += appended.code == 0;

    const auto stored = read_stored(folder, "log");
    REQUIRE(stored.has_value());
    adopt(*stored, lines.blocks, source);
    CHECK(source.length() >= acknowledged);
    ledger.note(source.head());
    here = look_at_reader(reader, key, source, here, ledger);
  }
  Server server(folder);
  complete(reader, key, server.address(), source, here, ledger);
  std::printf(
      "crash: %zu kills of a server: %zu readers were cut off, %zu appends acknowledged, %llu blocks in the "
      "end, one tree for each of %zu heads\n",
      killed, cut, said_done, static_cast<unsigned long long>(source.length()), ledger.heads());
}

// By turns: a holder that is killed while a command is handed over to it, and one that nobody watches, so
// that its socket is still there when the next process takes the folder, once a command and once a server.
TEST_CASE(
    "who comes after a holder that was killed finds the folder free, the socket it left is no obstacle") {
  constexpr std::size_t kills = 9;
  Draws draws(8);
  CrashFolder scratch;
  const std::string folder = scratch / "held";
  const std::string key = create_core(folder);
  const std::string socket = folder + "/control";
  for (std::uint64_t round = 0; round < kills; ++round) {
    Server holder(folder);
    REQUIRE(std::filesystem::is_socket(socket));
    if (round % 3 == 0) {
      Process handed_over(sheaf_command({"-d", folder, "--json", "core", "info", "log"}));
      handed_over.run_for(draws.up_to(std::chrono::milliseconds(20)));
      REQUIRE(holder.kill());
      const Ended first = handed_over.end();
      REQUIRE_MESSAGE((first.code == 0 || first.code == 1), first.err);
    } else {
      holder.run_for(draws.up_to(std::chrono::milliseconds(20)));
      REQUIRE(holder.kill());
      CHECK(std::filesystem::is_socket(socket));  // it had no chance to tidy up
    }
    std::optional<Server> next;
    if (round % 3 == 2) next.emplace(folder);

    const Lines line(draws, 1, 100);
    const Ended second = run_sheaf({"-d", folder, "--json", "core", "append", "log", "--lines"}, line.text);
    REQUIRE_MESSAGE(second.code == 0, second.err);
    CHECK(Json::parse(first_line(second)).at("length") == round + 1);
    const Ended third = run_sheaf({"-d", folder, "--json", "core", "get", "log", std::to_string(round)});
    CHECK(third.out + "\n" == line.text);
    CHECK(std::filesystem::exists(socket) == next.has_value());
    if (next) REQUIRE(next->kill());
  }
  std::printf("crash: %zu kills of a holder: each time the next process took the folder\n", kills);
}
