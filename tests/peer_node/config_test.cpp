#include "engine/peer_node/config.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "engine/peer_node/folder.hpp"
#include "engine/peer_node/limits_table.hpp"
#include "sheaf/protocol/key_text.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

using test::plain_surroundings;

const std::string key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

std::string complaint(const std::string& text, const Surroundings& around = plain_surroundings()) {
  try {
    parse_config(text, "sheaf.toml", "/folder", around);
  } catch (const BadConfig& bad) {
    return bad.what();
  }
  return "accepted";
}

TEST_CASE("an empty file gives the defaults") {
  const Config config = parse_config("", "sheaf.toml", "/folder", plain_surroundings());
  CHECK(config.listen.empty());
  CHECK(config.allow_peers.empty());
  CHECK(config.durability == Durability::crash);
  CHECK(config.log_level == LogLevel::info);
  CHECK(config.limits.connections == Limits{}.connections);
}

TEST_CASE("every known key is taken") {
  const Config config = parse_config(R"(
[node]
listen = ["tcp://0.0.0.0:4900", "ws://[::]:4901"]
peers = ["tcp://192.0.2.7:4900"]
web_hosts = ["sync.example"]
web_origins = ["https://app.example"]
[bundle]
policy = "allowlist"
allow = [")" + key + R"("]
allow_peers = [")" + key + R"("]
announce = "allowed"
max_archives = 500
quota_archive = "3 GiB"
[limits]
connections = 7
receive_bytes_session = "64 MiB"
frame_growth_bytes = 4096
idle_timeout_ms = 1500
free_disk_bytes = 0
[log]
level = "debug"
[storage]
durability = "power"
fallback = "small"
)",
                                     "sheaf.toml", "/folder", plain_surroundings());
  CHECK(config.listen.size() == 2);
  CHECK(config.listen.at(1).scheme == Scheme::ws);
  CHECK(config.web_hosts == std::vector<std::string>{"sync.example"});
  CHECK(config.web_origins == std::vector<std::string>{"https://app.example"});
  CHECK(config.peers.at(0).port == 4900);
  CHECK(to_string(config.allow_peers.at(0)) == key);
  CHECK(config.policy == Policy::allowlist);
  CHECK(to_string(config.allow.at(0)) == key);
  CHECK(config.announce == Announce::allowed);
  CHECK(config.max_archives == 500);
  CHECK(config.quota_archive == ByteCount{std::uint64_t{3} << 30});
  CHECK(config.limits.connections == 7);
  CHECK(config.limits.receive_bytes_session == 64 * 1024 * 1024);
  CHECK(config.limits.frame_growth_bytes == 4096);
  CHECK(config.limits.idle_timeout_ms == std::chrono::milliseconds(1500));
  CHECK(config.limits.free_disk_bytes == 0);
  CHECK(config.log_level == LogLevel::debug);
  CHECK(config.durability == Durability::power);
}

TEST_CASE("each limit is a key under its own name, and no two share a field") {
  std::uint64_t value = 1000;
  std::string text = "[limits]\n";
  for (const auto& entry : limit_entries())
    text += std::string(entry.name) + " = " + std::to_string(++value) + "\n";
  const Config config = parse_config(text, "sheaf.toml", "/folder", plain_surroundings());
  value = 1000;
  for (const auto& entry : limit_entries()) {
    CAPTURE(entry.name);
    CHECK(value_of(config.limits, entry) == ++value);
  }
}

TEST_CASE("stores and routes are read in their order") {
  const Config config = parse_config(R"([storage]
fallback = "first"
copies_least = 1
[[storage.store]]
label = "first"
[[storage.store]]
label = "bulk"
backend = "log"
path = "/srv/bulk"
adopt = true
[[storage.route]]
min_size = "4 KiB"
role = "block"
to = ["bulk", "first"]
[[storage.route]]
json = "/kind"
one_of = ["a", 2, true]
to_json = "/stores"
)",
                                     "sheaf.toml", "/folder", plain_surroundings());
  CHECK(config.storage.fallback == "first");
  CHECK(config.storage.copies_least == 1);
  REQUIRE(config.storage.stores.size() == 2);
  CHECK(config.storage.stores[0].folder == "first");
  CHECK(config.storage.stores[0].kind == StoreConfig::Kind::leveldb);
  CHECK(config.storage.stores[1].folder == "/srv/bulk");
  CHECK(config.storage.stores[1].kind == StoreConfig::Kind::log);
  CHECK(config.storage.stores[1].adopt);
  REQUIRE(config.storage.routes.size() == 2);
  CHECK(config.storage.routes[0].min_size == 4096);
  CHECK(config.storage.routes[0].role == Traits::Role::block);
  CHECK(config.storage.routes[0].to == std::vector<std::string>{"bulk", "first"});
  CHECK(config.storage.routes[1].json == "/kind");
  CHECK(config.storage.routes[1].one_of == std::vector<std::string>{"\"a\"", "2", "true"});
  CHECK(config.storage.routes[1].to_json == "/stores");
}

TEST_CASE("a route asks for archives and content types, one or several") {
  const std::string key(64, 'a'), other(64, 'b');
  const Config config = parse_config("[[storage.route]]\narchive = \"" + key +
                                         "\"\ncontent_type = \"image/*\"\nto = [\"large\"]\n"
                                         "[[storage.route]]\narchive = [\"" +
                                         key + "\", \"" + other +
                                         "\"]\n"
                                         "content_type = [\"text/plain\", \"text/html\"]\nto = [\"small\"]\n",
                                     "sheaf.toml", "/folder", plain_surroundings());
  const std::vector<Route>& routes = config.storage.routes;
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].archives == std::vector{*key_from_text<CoreKey>(key)});
  CHECK(routes[0].content_types == std::vector<std::string>{"image/*"});
  CHECK(routes[1].archives == std::vector{*key_from_text<CoreKey>(key), *key_from_text<CoreKey>(other)});
  CHECK(routes[1].content_types == std::vector<std::string>{"text/plain", "text/html"});
}

TEST_CASE("what is wrong is named with file, line and key") {
  const std::pair<std::string, std::string> cases[] = {
      {"[node]\nlisten = 5", "sheaf.toml:2: node.listen: is not a list of texts"},
      {"[node]\nlisten = [5]", "sheaf.toml:2: node.listen: is not a list of texts"},
      {"[node]\n\npeers = [\"nowhere\"]", "sheaf.toml:3: node.peers: nowhere: "},
      {"[node]\npeers = [\"stdio:\"]", "sheaf.toml:2: node.peers: stdio:: "},
      {"[node]\nhttp = \"127.0.0.1:4902\"", "sheaf.toml:2: node.http: is not available in this version"},
      {"[node]\nlisten_to = []", "sheaf.toml:2: node.listen_to: no such key"},
      {"\n[nodes]\nlisten = []", "sheaf.toml:2: nodes: no such key"},
      {"node = 5", "sheaf.toml:1: node: is not a table"},
      {"colour = \"red\"", "sheaf.toml:1: colour: no such key"},
      {"[bundle]\npolicy = \"members\"", "sheaf.toml:2: bundle.policy: \"members\" is not available"},
      {"[bundle]\nallow = [\"x\"]", "sheaf.toml:2: bundle.allow: is not a key: x"},
      {"[bundle]\nallow_peers = [\"x\"]", "sheaf.toml:2: bundle.allow_peers: is not a key: x"},
      {"[bundle]\nannounce = \"some\"",
       "sheaf.toml:2: bundle.announce: is neither \"all\" nor \"allowed\": some"},
      {"[bundle]\nmax_archives = \"many\"", "sheaf.toml:2: bundle.max_archives: is not a whole number"},
      {"[bundle]\nquota_archive = \"64 GB\"", "sheaf.toml:2: bundle.quota_archive: is not a size"},
      {"[bundle]\nquota_archive = 0", "sheaf.toml:2: bundle.quota_archive: is 0; it has to be at least 1"},
      {"[limits]\nconnections = \"few\"", "sheaf.toml:2: limits.connections: is not a whole number"},
      {"[limits]\nconnections = 1.5", "sheaf.toml:2: limits.connections: is not a whole number"},
      {"[limits]\nconnections = -1", "sheaf.toml:2: limits.connections: is not from 0 to 2^53 - 1"},
      {"[limits]\nconnections = 0", "sheaf.toml:2: limits.connections: is 0; it has to be at least 1"},
      {"[limits]\nmanifest_bytes = \"1 KB\"", "sheaf.toml:2: limits.manifest_bytes: is not a size"},
      {"[limits]\nmanifest_bytes = \"99999999 TiB\"", "sheaf.toml:2: limits.manifest_bytes: is not a size"},
      {"[limits]\nwings = 2", "sheaf.toml:2: limits.wings: no such key"},
      {"[log]\nlevel = \"loud\"", "sheaf.toml:2: log.level: is none of error, warning, info, debug: loud"},
      {"[log]\nlevel = 3", "sheaf.toml:2: log.level: is not a text"},
      {"[storage]\ndurability = \"always\"", "sheaf.toml:2: storage.durability: is neither"},
      {"[storage]\nfallback = \"bulk\"", "sheaf.toml:2: storage.fallback: there is no such store: bulk"},
      {"[storage]\ncopies_least = 0", "sheaf.toml:2: storage.copies_least: is 0; it has to be at least 1"},
      {"[storage]\nstore = 5", "sheaf.toml:2: storage.store: is not a list of tables"},
      {"[[storage.store]]\nbackend = \"log\"", "sheaf.toml:1: storage.store: a store has a label"},
      {"[[storage.store]]\nlabel = \"root\"", "sheaf.toml:2: storage.store.label: is empty, or \"root\""},
      {"[[storage.store]]\nlabel = \"a\"\n[[storage.store]]\nlabel = \"a\"",
       "sheaf.toml:4: storage.store.label: is used twice: a"},
      {"[[storage.store]]\nlabel = \"a\"\nbackend = \"tape\"",
       "sheaf.toml:3: storage.store.backend: is none of memory, leveldb, log: tape"},
      {"[[storage.store]]\nlabel = \"a\"\nadopt = 1",
       "sheaf.toml:3: storage.store.adopt: is neither true nor"},
      {"[[storage.store]]\nlabel = \"a\"\n[[storage.store]]\nlabel = \"b\"\npath = \"./x/../a\"",
       "sheaf.toml:3: storage.store: its path is not free: the store a lies there"},
      {"[[storage.store]]\nlabel = \"a\"\nbackend = \"log\"\n[[storage.store]]\nlabel = \"b\"\npath = "
       "\"a/index\"",
       "sheaf.toml:4: storage.store: its path is not free: the store a lies there"},
      {"[[storage.store]]\nlabel = \"a\"\npath = \"/srv/x/y\"\n[[storage.store]]\nlabel = \"b\"\npath = "
       "\"/srv/x/\"",
       "sheaf.toml:4: storage.store: its path is not free: the store a lies there"},
      {"[[storage.store]]\nlabel = \"a\"\npath = \"root\"",
       "sheaf.toml:1: storage.store: its path is not free: root holds"},
      {"[[storage.store]]\nlabel = \"keys\"",
       "sheaf.toml:1: storage.store: its path is not free: keys holds"},
      {"[[storage.store]]\nlabel = \"a\"\npath = \"/srv/../folder/keys\"",
       "sheaf.toml:1: storage.store: its path is not free: /srv/../folder/keys holds"},
      {"[[storage.store]]\nlabel = \"a\"\npath = \"..\"",
       "sheaf.toml:1: storage.store: its path is not free: .. holds"},
      {"[[storage.store]]\nlabel = \"a\"\n[[storage.store]]\nlabel = \"b\"\npath = \"/folder/a/b\"",
       "sheaf.toml:3: storage.store: its path is not free: the store a lies there"},
      {"[[storage.store]]\nlabel = \"a\"\npath = \".\"",
       "sheaf.toml:1: storage.store: its path is not free: . holds"},
      {"[[storage.store]]\nlabel = \"a\"\nspeed = 1", "sheaf.toml:3: storage.store.speed: no such key"},
      {"[[storage.route]]\nto = [\"small\",\n\"bulk\"]",
       "sheaf.toml:3: storage.route.to: there is no such store: bulk"},
      {"[[storage.route]]\nmin_size = \"4 KiB\"", "sheaf.toml:1: storage.route: the route leads nowhere"},
      {"[[storage.route]]\nmin_size = \"4 KB\"\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.min_size: is not a size"},
      {"[[storage.route]]\njson = \"stores\"\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.json: is not a JSON pointer: stores"},
      {"[[storage.route]]\nto_json = \"stores\"",
       "sheaf.toml:2: storage.route.to_json: is not a JSON pointer: stores"},
      {"[[storage.route]]\nequals = 1\nto = [\"large\"]",
       "sheaf.toml:1: storage.route: equals and one_of ask for a JSON pointer"},
      {"[[storage.route]]\nrole = \"state\"\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.role: is neither block nor value"},
      {"[[storage.route]]\narchive = \"x\"\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.archive: is not a key: x"},
      {"[[storage.route]]\nto = [\"large\"]\narchive = []",
       "sheaf.toml:3: storage.route.archive: is an empty"},
      {"[[storage.route]]\narchive = 7\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.archive: is not a list of texts"},
      {"[[storage.route]]\nto = [\"large\"]\ncontent_type = \"png\"",
       "sheaf.toml:3: storage.route.content_type: is not a content type: png"},
      {"[[storage.route]]\ncontent_type = [\"image/png\", \"image/\"]\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.content_type: is not a content type: image/"},
      {"[[storage.route]]\ncontent_type = [1]\nto = [\"large\"]",
       "sheaf.toml:2: storage.route.content_type: is not a list of texts"},
      {"[node\n", "sheaf.toml:1: "},
      {"[log]\nlevel = \"info\"\nlevel = \"info\"", "sheaf.toml:3: "},
  };
  for (const auto& [text, wanted] : cases) {
    const std::string got = complaint(text);
    const std::string given(text);
    CAPTURE(given);
    CAPTURE(got);
    CHECK(got.find(wanted) != std::string::npos);
    CHECK(got.find("sheaf.toml:") == 0);
  }
}

TEST_CASE("no store may lie where the program keeps what is its own") {
  for (const char* name : own_names) {
    const std::string text = std::string("[[storage.store]]\nlabel = \"a\"\npath = \"") + name + "/x\"";
    CHECK(complaint(text).find(std::string("its path is not free: ") + name) != std::string::npos);
  }
  CHECK(complaint("[[storage.store]]\nlabel = \"a\"\npath = \"rooted\"") == "accepted");
}

TEST_CASE("two stores in one place are refused whichever links lead there") {
  const test::TemporaryFolder folder;
  const std::filesystem::path node = folder.path() / "node", disk = folder.path() / "disk";
  for (const auto& made : {node, node / "root", disk}) std::filesystem::create_directory(made);
  std::filesystem::create_directory_symlink(disk, node / "link");
  std::filesystem::create_directory_symlink(node, disk / "back");
  const auto read = [&](const std::string& one, const std::string& other, const std::string& kind) {
    std::ofstream(node / "sheaf.toml") << "[[storage.store]]\nlabel = \"one\"\npath = \"" << one
                                       << "\"\n[[storage.store]]\nlabel = \"other\"\nbackend = \"" << kind
                                       << "\"\npath = \"" << other << "\"\n";
    try {
      return std::to_string(load_config(std::nullopt, node, plain_surroundings()).storage.stores.size());
    } catch (const BadConfig& bad) {
      return std::string(bad.what());
    }
  };
  const std::string there = (node / "sheaf.toml").string() + ":4: storage.store: its path is not free: ";
  const std::string both = there + "the store one lies there";
  CHECK(read("link/x", disk / "x", "log") == both);
  CHECK(read(disk / "back/a", "a", "log") == both);
  CHECK(read("link/x", "link/../node/link/x/y", "leveldb") == both);
  CHECK(read("a", "link/back/root", "log") == there + "link/back/root holds what is not a store's");
  CHECK(read("link/x", disk / "y", "log") == "2");
  CHECK(read("link/x", disk / "x", "memory") == "2");
  // As the words are, "link/.." would be the node's folder; as the kernel goes, it is the disk's.
  CHECK(read("a", "link/../a", "log") == "2");
}

TEST_CASE("a variable of the environment beats the file") {
  Surroundings around = plain_surroundings();
  around.environment["SHEAF_LOG_LEVEL"] = "error";
  around.environment["SHEAF_LIMITS_CONNECTIONS"] = "9";
  around.environment["SHEAF_LIMITS_MANIFEST_BYTES"] = "2 KiB";
  around.environment["SHEAF_NODE_PEERS"] = "tcp://a:1 tcp://b:2";
  around.environment["SHEAF_UNRELATED"] = "x";
  const Config config =
      parse_config("[log]\nlevel = \"debug\"\n[limits]\nconnections = 7\n", "sheaf.toml", "/folder", around);
  CHECK(config.log_level == LogLevel::error);
  CHECK(config.limits.connections == 9);
  CHECK(config.limits.manifest_bytes == 2048);
  CHECK(config.peers.size() == 2);
  around.environment["SHEAF_LOG_LEVEL"] = "loud";
  CHECK(complaint("", around).find("environment: SHEAF_LOG_LEVEL: is none of") == 0);
}

TEST_CASE("without a file of that name there is nothing but defaults; one that was named has to be there") {
  const test::TemporaryFolder folder;
  const auto around = plain_surroundings();
  CHECK(load_config(std::nullopt, folder.path(), around).listen.empty());
  CHECK_THROWS_AS(load_config(folder.path() / "none.toml", folder.path(), around), BadConfig);
  CHECK_THROWS_AS(load_config(folder.path(), folder.path(), around), BadConfig);
  std::ofstream(folder.path() / "sheaf.toml") << "[log]\nlevel = \"error\"\n";
  CHECK(load_config(std::nullopt, folder.path(), around).log_level == LogLevel::error);
  std::ofstream(folder.path() / "sheaf.toml") << std::string(1024 * 1024 + 1, '#');
  CHECK_THROWS_AS(load_config(std::nullopt, folder.path(), around), BadConfig);
}

}  // namespace
}  // namespace sheaf::peer_node
