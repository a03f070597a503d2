#include "engine/peer_node/options.hpp"

#include <doctest/doctest.h>

#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/option_values.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

using test::plain_surroundings;
using Words = std::vector<std::string>;

const std::string hex_key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

Command parsed(const Words& words, const Surroundings& around = plain_surroundings()) {
  const Parsed result = parse_arguments(words, around);
  if (const auto* said = std::get_if<Said>(&result)) FAIL("not accepted: ", said->text);
  return std::get<Command>(result);
}

template <class Action>
Action action(const Words& words, const Surroundings& around = plain_surroundings()) {
  const Command command = parsed(words, around);
  REQUIRE(std::holds_alternative<Action>(command.action));
  return std::get<Action>(command.action);
}

Said said(const Words& words, const Surroundings& around = plain_surroundings()) {
  const Parsed result = parse_arguments(words, around);
  REQUIRE(std::holds_alternative<Said>(result));
  return std::get<Said>(result);
}

Address address(const std::string& text) { return parse_address(text).value(); }

TEST_CASE("every command has its own help with an example") {
  const Words commands[] = {{},
                            {"info"},
                            {"add"},
                            {"clone"},
                            {"list"},
                            {"read"},
                            {"get"},
                            {"export"},
                            {"import"},
                            {"forget"},
                            {"download"},
                            {"serve"},
                            {"connect"},
                            {"core"},
                            {"core", "create"},
                            {"core", "append"},
                            {"core", "get"},
                            {"core", "info"},
                            {"core", "truncate"},
                            {"store"},
                            {"store", "put"},
                            {"store", "post"},
                            {"store", "get"},
                            {"store", "del"},
                            {"store", "list"},
                            {"store", "watch"},
                            {"store", "batch"},
                            {"store", "explain"},
                            {"store", "check"},
                            {"bench"},
                            {"bench", "serve-core"},
                            {"bench", "fetch-core"},
                            {"bench", "fetch-sparse"},
                            {"bench", "serve-live"},
                            {"bench", "fetch-live"},
                            {"bench", "local-append"},
                            {"bench", "replicate"},
                            {"bench", "store"}};
  for (Words words : commands) {
    for (const char* flag : {"--help", "-h"}) {
      Words asked = words;
      asked.push_back(flag);
      const Said help = said(asked);
      CAPTURE(help.text);
      CHECK(help.code == 0);
      CHECK(help.text.find("Example:\n  ") != std::string::npos);
      for (const auto& word : words) CHECK(help.text.find(word) != std::string::npos);
    }
  }
}

TEST_CASE("the version is said on stdout with 0") {
  CHECK(said({"--version"}).code == 0);
  CHECK(said({"--version"}).text == std::string("sheaf ") + program_version + "\n");
}

TEST_CASE("global options stand before or after the command") {
  const Command before = parsed({"-d", "notes", "--json", "--timeout", "5", "-vv", "info"});
  const Command after = parsed({"info", "--timeout=5", "-vv", "--json", "--dir", "notes"});
  CHECK(before == after);
  CHECK(before.global.folder == "/somewhere/notes");
  CHECK(before.global.json);
  CHECK(before.global.timeout == std::chrono::seconds(5));
  CHECK(before.global.verbosity == 2);
  CHECK(parsed({"core", "info", "log", "-d", "notes"}) == parsed({"core", "-d", "notes", "info", "log"}));
}

TEST_CASE("the defaults are those of the manual") {
  const Command command = parsed({"info"});
  CHECK(command.global.folder == "/home/alice/.local/share/sheaf");
  CHECK(!command.global.json);
  CHECK(!command.global.config);
  CHECK(command.global.timeout == std::chrono::seconds(30));
  CHECK(command.global.verbosity == 0);
}

TEST_CASE("a timeout of 0 waits for ever, and may be a fraction") {
  CHECK(parsed({"info", "--timeout", "0"}).global.timeout == std::nullopt);
  CHECK(parsed({"info", "--timeout", "0.5"}).global.timeout == std::chrono::milliseconds(500));
  for (const char* wrong : {"-1", "soon", "1e99", "nan", "5s"})
    CHECK(said({"info", "--timeout", wrong}).code == exit_code::wrong_usage);
}

TEST_CASE("the folder is the flag's, else SHEAF_DIR's, else the XDG data home's, else the home's") {
  Surroundings around = plain_surroundings();
  around.environment["XDG_DATA_HOME"] = "/data";
  CHECK(parsed({"info"}, around).global.folder == "/data/sheaf");
  around.environment["XDG_DATA_HOME"] = "relative";
  CHECK(parsed({"info"}, around).global.folder == "/home/alice/.local/share/sheaf");
  around.environment["SHEAF_DIR"] = "here";
  CHECK(parsed({"info"}, around).global.folder == "/somewhere/here");
  CHECK(parsed({"-d", "/there", "info"}, around).global.folder == "/there");
  around.environment.clear();
  CHECK(said({"info"}, around).code == exit_code::wrong_usage);
}

TEST_CASE("a flag beats the environment") {
  Surroundings around = plain_surroundings();
  around.environment["SHEAF_TIMEOUT"] = "7";
  around.environment["SHEAF_JSON"] = "1";
  around.environment["SHEAF_CONFIG"] = "other.toml";
  around.environment["SHEAF_QUIET"] = "1";
  around.environment["SHEAF_LISTEN"] = "tcp://127.0.0.1:1, tcp://127.0.0.1:2";
  around.environment["SHEAF_PEER"] = "tcp://127.0.0.1:3";
  around.environment["SHEAF_SPARSE"] = "1";
  const Command from_environment = parsed({"serve"}, around);
  CHECK(from_environment.global.timeout == std::chrono::seconds(7));
  CHECK(from_environment.global.json);
  CHECK(from_environment.global.config == "/somewhere/other.toml");
  CHECK(from_environment.global.verbosity == -1);
  const auto serve = action<ServeCommand>({"serve"}, around);
  CHECK(serve.listen == std::vector{address("tcp://127.0.0.1:1"), address("tcp://127.0.0.1:2")});
  CHECK(serve.peers == std::vector{address("tcp://127.0.0.1:3")});
  CHECK(serve.sparse);

  const Words words{"serve",       "--timeout", "9",        "--config",
                    "/etc/s.toml", "-v",        "--listen", "tcp://127.0.0.1:4"};
  const Command from_flags = parsed(words, around);
  CHECK(from_flags.global.timeout == std::chrono::seconds(9));
  CHECK(from_flags.global.config == "/etc/s.toml");
  CHECK(from_flags.global.verbosity == 1);
  CHECK(action<ServeCommand>(words, around).listen == std::vector{address("tcp://127.0.0.1:4")});

  around.environment["SHEAF_JSON"] = "perhaps";
  CHECK(said({"info"}, around).code == exit_code::wrong_usage);
}

TEST_CASE("--listen A B and --listen A --listen B are the same") {
  const auto one = action<ServeCommand>({"serve", "--listen", "tcp://127.0.0.1:0", "tcp://[::1]:0"});
  const auto two =
      action<ServeCommand>({"serve", "--listen", "tcp://127.0.0.1:0", "--listen", "tcp://[::1]:0"});
  CHECK(one == two);
  CHECK(one.listen.size() == 2);
  const auto both = action<ServeCommand>(
      {"serve", "--listen", "tcp://127.0.0.1:0", "--peer", "tcp://h:1", "tcp://h:2", "--sparse"});
  CHECK(both.listen.size() == 1);
  CHECK(both.peers.size() == 2);
  CHECK(both.sparse);
}

TEST_CASE("connect takes any number of addresses, in any place") {
  const auto connect = action<ConnectCommand>({"connect", "tcp://a:1", "--live", "tcp://b:2"});
  CHECK(connect.peers == std::vector{address("tcp://a:1"), address("tcp://b:2")});
  CHECK(connect.live);
  CHECK(action<ConnectCommand>({"connect", "ws://h:1/path"}).peers == std::vector{address("ws://h:1/path")});
  CHECK(!connect.sparse);
  CHECK(said({"connect"}).code == exit_code::wrong_usage);
}

TEST_CASE("a command is an address to dial, and none to listen on") {
  CHECK(action<ConnectCommand>({"connect", "exec:ssh host sheaf sync"}).peers.at(0).command ==
        "ssh host sheaf sync");
  CHECK(action<ServeCommand>({"serve", "--peer", "exec:cat"}).peers.at(0).scheme == Scheme::exec);
  CHECK(said({"serve", "--listen", "exec:cat"}).code == exit_code::wrong_usage);
}

TEST_CASE("sync has a role or agrees on one") {
  CHECK(action<SyncCommand>({"sync"}) == SyncCommand{});
  CHECK(action<SyncCommand>({"sync", "--initiator", "--live"}) ==
        SyncCommand{.initiator = true, .live = true});
  CHECK(action<SyncCommand>({"sync", "--responder", "--sparse"}) ==
        SyncCommand{.initiator = false, .sparse = true});
  CHECK(said({"sync", "--initiator", "--responder"}).code == exit_code::wrong_usage);
}

TEST_CASE("an address that cannot be used is wrong usage that names it") {
  for (const char* wrong : {"127.0.0.1:1", "tcp://", "tcp://h", "tcp://h:99999", "udp://h:1",
                            "tcp://h:1/path", "stdio:", "exec:", "tcp://nokey@h:1"}) {
    const Said result = said({"connect", wrong});
    CHECK(result.code == exit_code::wrong_usage);
    CHECK(result.text.find(wrong) != std::string::npos);
  }
  CHECK(said({"connect", "tcp://h:0"}).code == exit_code::wrong_usage);
  CHECK(action<ConnectCommand>({"connect", "tcp://" + hex_key + "@h:1"}).peers.at(0).key.has_value());
}

TEST_CASE("a core is a key in any of its forms, or a name") {
  const auto by_hex = action<CoreInfoCommand>({"core", "info", hex_key});
  REQUIRE(std::holds_alternative<CoreKey>(by_hex.core));
  CHECK(to_string(by_hex.core) == hex_key);
  CHECK(action<CoreInfoCommand>({"core", "info", "pear://" + hex_key}) == by_hex);
  CHECK(action<CoreInfoCommand>({"core", "info", "log"}).core == CoreRef(std::string("log")));
  CHECK(said({"core", "create", hex_key}).code == exit_code::wrong_usage);
  CHECK(said({"core", "create", "a\nb"}).code == exit_code::wrong_usage);
  CHECK(said({"core", "create", std::string(256, 'a')}).code == exit_code::wrong_usage);
}

TEST_CASE("add follows archives, and with --core bare cores, with the options of the manual") {
  const auto add = action<AddCommand>({"add", hex_key, "--core", "--encryption-key-file", "-", "--private"});
  CHECK(to_string(add.key) == hex_key);
  CHECK(add.encryption_key_file == "-");
  CHECK(add.is_private);
  CHECK(add.core);
  CHECK(!action<AddCommand>({"add", hex_key}).core);
  CHECK(said({"add", "log", "--core"}).code == exit_code::wrong_usage);
}

TEST_CASE("clone takes an archive's key and a peer, and the options of add") {
  const auto clone = action<CloneCommand>({"clone", hex_key, "tcp://h:1", "--private"});
  CHECK(clone.add == action<AddCommand>({"add", hex_key, "--private"}));
  CHECK(clone.peer == address("tcp://h:1"));
  CHECK(said({"clone", hex_key}).code == exit_code::wrong_usage);
  CHECK(said({"clone", "log", "tcp://h:1"}).code == exit_code::wrong_usage);
}

TEST_CASE("list, read and get choose their archives by --link, and its version by --checkout") {
  CHECK(action<ListCommand>({"ls"}) == ListCommand{});
  const auto list = action<ListCommand>({"list", "docs", "--link", hex_key.substr(0, 6), "--checkout", "7"});
  CHECK(list == ListCommand{"docs", {hex_key.substr(0, 6), Length{7}}});
  CHECK(action<ListCommand>({"list", "--link", "pear://" + hex_key}).selection.link == hex_key);
  const auto read =
      action<ReadCommand>({"cat", "a", "--offset", "3", "--length", "0", "--peer", "tcp://h:1"});
  CHECK(read == ReadCommand{"a", {}, {3}, ByteCount{0}, address("tcp://h:1")});
  CHECK(action<ReadCommand>({"read", "a", "-o", "out"}).output == "out");
  CHECK(action<GetCommand>({"get", "a"}) == GetCommand{"a", {}});
  for (const Words& words : {Words{"list", "--checkout", "7"},
                             {"list", "--link", "12345"},
                             {"list", "--link", hex_key, "--checkout", "0"},
                             {"read"},
                             {"get"},
                             {"read", "a", "--offset", "-1"},
                             {"read", "a", "--peer", "tcp://h:0"}})
    CHECK(said(words).code == exit_code::wrong_usage);
}

TEST_CASE("export takes a folder, and options that are off") {
  const auto plain = action<ExportCommand>({"export", "out"});
  CHECK(plain == ExportCommand{.destination = "out", .selection = {}, .most_bytes = {}});
  const auto all =
      action<ExportCommand>({"export", "out", "--link", hex_key, "--checkout", "7", "--by-link", "--prune",
                             "-n", "--checksum", "--max-bytes", "9", "--unsafe-links"});
  CHECK(all == ExportCommand{"out", {hex_key, Length{7}}, true, true, true, true, ByteCount{9}, true});
  for (const Words& words : {Words{"export"},
                             {"export", ""},
                             {"export", "a", "b"},
                             {"export", "a", "--checkout", "7"},
                             {"export", "a", "--max-bytes", "many"}})
    CHECK(said(words).code == exit_code::wrong_usage);
}

TEST_CASE("import takes paths, and patterns") {
  ImportCommand import;
  import.paths = {"a", "b"};
  CHECK(action<ImportCommand>({"import", "a", "b"}) == import);
  import.exclude = {"*.o", "build/"};
  import.to = "www";
  import.prune = import.dry_run = import.checksum = import.no_times = true;
  CHECK(action<ImportCommand>({"import", "a", "b", "--exclude", "*.o", "--exclude", "build/", "--to", "www",
                               "--prune", "-n", "--checksum", "--no-times"}) == import);
  for (const Words& words : {Words{"import"}, {"import", ""}})
    CHECK(said(words).code == exit_code::wrong_usage);
}

TEST_CASE("a word that is no command is named, at whatever depth it stands") {
  CHECK(said({"frob", "x"}).text.starts_with("sheaf: no such command: frob\nSee sheaf --help."));
  CHECK(said({"core", "frob"}).text.starts_with("sheaf: no such command: frob\nSee sheaf core --help."));
  CHECK(said({"a\x1b[2Jb"}).text.starts_with("sheaf: no such command: a\\x1b[2Jb\n"));
  CHECK(said({"core"}).text.find("no such command") == std::string::npos);
  CHECK(said({"list", "--frob"}).text.find("--frob") != std::string::npos);
}

TEST_CASE("download takes an entry or --all, not both and not neither") {
  CHECK(action<DownloadCommand>({"download", "--all"}).what.empty());
  const auto one = action<DownloadCommand>({"download", "--peer", "tcp://h:1", "log"});
  CHECK(one.what == "log");
  CHECK(one.peer == address("tcp://h:1"));
  CHECK(said({"download"}).code == exit_code::wrong_usage);
  CHECK(said({"download", "log", "--all"}).code == exit_code::wrong_usage);
}

TEST_CASE("the commands on cores take their numbers exactly") {
  CHECK(action<CoreGetCommand>({"core", "get", "log", "41"}).index == BlockIndex{41});
  CHECK(action<CoreGetCommand>({"core", "get", "log", "41", "--peer", "tcp://h:1"}).peer ==
        address("tcp://h:1"));
  CHECK(action<CoreTruncateCommand>({"core", "truncate", "log", "0"}).length == Length{0});
  CHECK(action<CoreAppendCommand>({"core", "append", "log", "--lines"}).lines);
  CHECK(action<ForgetCommand>({"forget", "log", "--yes"}).yes);
  for (const char* wrong : {"x", "1x", "-1", "1.5", "9007199254740992", "99999999999999999999", ""})
    CHECK(said({"core", "get", "log", wrong}).code == exit_code::wrong_usage);
}

TEST_CASE("the verbs of the measuring contract keep its order of arguments") {
  CHECK(
      std::get<BenchServeCore>(action<BenchCommand>({"bench", "serve-core", "a", "3", "10", "4900"}).verb) ==
      BenchServeCore{"/somewhere/a", 3, 10, 4900});
  const auto key = std::get<CoreKey>(core_ref(hex_key));
  CHECK(std::get<BenchFetchCore>(
            action<BenchCommand>({"bench", "fetch-core", "b", hex_key, "4900", "0"}).verb) ==
        BenchFetchCore{"/somewhere/b", key, 4900, 0});
  CHECK(std::get<BenchFetchSparse>(
            action<BenchCommand>({"bench", "fetch-sparse", "b", hex_key, "1", "9", "5"}).verb) ==
        BenchFetchSparse{"/somewhere/b", key, 1, 9, 5});
  CHECK(std::get<BenchServeMany>(
            action<BenchCommand>({"bench", "serve-many", "a", "100", "10", "64", "4900"}).verb) ==
        BenchServeMany{"/somewhere/a", 100, 10, 64, 4900});
  CHECK(std::get<BenchFetchMany>(
            action<BenchCommand>({"bench", "fetch-many", "b", "a.keys", "10", "4900"}).verb) ==
        BenchFetchMany{"/somewhere/b", "/somewhere/a.keys", 10, 4900});
  CHECK(std::get<BenchFetchIdle>(
            action<BenchCommand>({"bench", "fetch-idle", "b", hex_key, "200", "4900"}).verb) ==
        BenchFetchIdle{"/somewhere/b", key, 200, 4900});
  CHECK(std::get<BenchLocalBee>(action<BenchCommand>({"bench", "local-bee", "a", "1000", "10"}).verb) ==
        BenchLocalBee{"/somewhere/a", 1000, 10});
  CHECK(std::get<BenchServeLive>(action<BenchCommand>({"bench", "serve-live", "a", "500", "5", "1"}).verb) ==
        BenchServeLive{"/somewhere/a", 500, 5, 1});
  CHECK(std::get<BenchFetchLive>(
            action<BenchCommand>({"bench", "fetch-live", "b", hex_key, "500", "1"}).verb) ==
        BenchFetchLive{"/somewhere/b", key, 500, 1});
  CHECK(std::get<BenchLocalAppend>(
            action<BenchCommand>({"bench", "local-append", "a", "9", "100", "4"}).verb) ==
        BenchLocalAppend{"/somewhere/a", 9, 100, 4});
}

TEST_CASE("bench replicate takes its shape from flags") {
  const auto plain = action<BenchCommand>({"bench", "replicate", "--blocks", "9", "--size", "100"});
  CHECK(!plain.in_memory);
  CHECK(std::get<BenchReplicate>(plain.verb).blocks == 9);
  CHECK(std::get<BenchReplicate>(plain.verb).block_bytes == 100);
  CHECK(std::get<BenchReplicate>(plain.verb).transport == BenchReplicate::Transport::tcp);
  const auto other = action<BenchCommand>(
      {"bench", "replicate", "--blocks", "9", "--transport", "memory", "--store", "memory", "--live"});
  CHECK(other.in_memory);
  CHECK(std::get<BenchReplicate>(other.verb).transport == BenchReplicate::Transport::memory);
  CHECK(std::get<BenchReplicate>(other.verb).live);
  const auto web = action<BenchCommand>({"bench", "replicate", "--blocks", "3", "--transport", "ws"});
  CHECK(std::get<BenchReplicate>(web.verb).transport == BenchReplicate::Transport::ws);
  CHECK(action<BenchCommand>({"bench", "--scheme", "ws", "serve-core", "a", "10", "3", "0"}).over_web);
  CHECK(said({"bench", "replicate"}).code == exit_code::wrong_usage);
  CHECK(said({"bench", "replicate", "--blocks", "9", "--transport", "pigeon"}).code ==
        exit_code::wrong_usage);
}

TEST_CASE("bench store takes sizes, how many and how often") {
  const auto plain = action<BenchCommand>({"bench", "store"});
  CHECK(std::get<BenchStore>(plain.verb) == BenchStore{{100, 4096, 65536, 1048576}, 0, 5});
  const auto other = action<BenchCommand>(
      {"bench", "store", "--size", "10", "--size", "20", "--values", "1000", "--rounds", "3"});
  CHECK(std::get<BenchStore>(other.verb) == BenchStore{{10, 20}, 1000, 3});
  for (const Words& wrong : {Words{"bench", "store", "--size", "0"}, Words{"bench", "store", "--rounds", "0"},
                             Words{"bench", "store", "--size", "67108865"}})
    CHECK(said(wrong).code == exit_code::wrong_usage);
}

TEST_CASE("wrong usage ends with 2, a reason of one line, and where to find help") {
  const std::pair<Words, std::string> cases[] = {
      {{}, "See sheaf --help."},
      {{"fly"}, "See sheaf --help."},
      {{"info", "--wings"}, "See sheaf info --help."},
      {{"core"}, "See sheaf core --help."},
      {{"core", "get", "log"}, "See sheaf core get --help."},
      {{"core", "info", "a", "b"}, "See sheaf core info --help."},
      {{"serve", "--listen"}, "See sheaf serve --help."},
  };
  for (const auto& [words, hint] : cases) {
    const Said result = said(words);
    CAPTURE(result.text);
    CHECK(result.code == exit_code::wrong_usage);
    CHECK(result.text.starts_with("sheaf: "));
    CHECK(result.text.find(hint) != std::string::npos);
    CHECK(std::count(result.text.begin(), result.text.end(), '\n') == 2);
  }
}

TEST_CASE("a value's key has 1 to 1,024 bytes, and so has a bound of a list") {
  CHECK(action<StorePutCommand>({"store", "put", "k"}).key == "k");
  CHECK(action<StoreDelCommand>({"store", "del", std::string(1024, 'k')}).key.size() == 1024);
  for (const std::string& wrong : {std::string(), std::string(1025, 'k')}) {
    CHECK(said({"store", "put", wrong}).code == exit_code::wrong_usage);
    CHECK(said({"store", "get", wrong}).code == exit_code::wrong_usage);
    CHECK(said({"store", "list", "--gte", wrong}).code == exit_code::wrong_usage);
  }
  const auto list = action<StoreListCommand>({"store", "list", "--gt", "a", "--gte", "b", "--lt", "y",
                                              "--lte", "z", "--reverse", "--limit", "3", "--values"});
  CHECK(list == StoreListCommand{"a", "b", "y", "z", true, 3, true});
  CHECK(action<StoreListCommand>({"store", "list"}) == StoreListCommand{});
  CHECK(said({"store", "list", "--limit", "-1"}).code == exit_code::wrong_usage);
}

TEST_CASE("what a check shall do is told by its flags") {
  CHECK(action<StoreCheckCommand>({"store", "check"}) == StoreCheckCommand{});
  CHECK(action<StoreCheckCommand>({"store", "check", "--repair", "--rebalance", "--rebuild-root"}) ==
        StoreCheckCommand{true, true, true});
  CHECK(traits_of(StoreCheckCommand{.rebuild_root = true}).rebuilds_root);
  CHECK(traits_of(StoreWatchCommand{}).endless);
}

}  // namespace
}  // namespace sheaf::peer_node
