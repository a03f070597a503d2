// The commands on open nodes: what they print, and how they end.
#include <csignal>
#include <fstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/peer_node/command_world.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::json;

using test::Place;
using test::Ran;
using World = test::CommandWorld;

TEST_CASE("core create prints the key, the same one each time") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran first = co_await world.call(world.a, "core create log");
    CHECK(first.code == 0);
    CHECK(first.out.size() == 65);
    const Ran again = co_await world.call(world.a, "core create log --json");
    CHECK(again.json() == Json{{"key", first.out.substr(0, 64)}});
  };
  world.run(story());
}

TEST_CASE("what is appended is there to get, byte for byte") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.log_at_a(3);
    std::string bytes = "\n one block\n";
    bytes += '\0';
    Ran ran = co_await world.call(world.a, "core append log", bytes);
    CHECK(ran.code == 0);
    CHECK(ran.out.empty());
    ran = co_await world.call(world.a, "core get log 3");
    CHECK(ran.out == bytes);
    ran = co_await world.call(world.a, "core get log 1");
    CHECK(ran.out == "1");
    ran = co_await world.call(world.a, "core append log --lines --json");
    CHECK(ran.json().at("length") == 4);
    ran = co_await world.call(world.a, "core append log --json");
    CHECK(ran.json().at("length") == 5);  // an empty input is an empty block
  };
  world.run(story());
}

TEST_CASE("core info has exactly the fields of the manual") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(10);
    Ran ran = co_await world.call(world.a, "core info log --json");
    const Json info = ran.json();
    CHECK(info.size() == 7);
    CHECK(info.at("key") == key);
    CHECK(info.at("discovery_key").get<std::string>().size() == 64);
    CHECK(info.at("writable") == true);
    CHECK(info.at("length") == 10);
    CHECK(info.at("fork") == 0);
    CHECK(info.at("bytes") == 10);
    CHECK(info.at("local") == 10);
    ran = co_await world.call(world.a, "core info log");
    CHECK(ran.out.find("key: " + key + "\n") == 0);
  };
  world.run(story());
}

TEST_CASE("truncate winds back and raises the fork; a core has no blocks past its end") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.log_at_a(10);
    Ran ran = co_await world.call(world.a, "core truncate log 4 --json");
    CHECK(ran.code == 0);
    CHECK(ran.json().at("length") == 4);
    ran = co_await world.call(world.a, "core info log --json");
    CHECK(ran.json().at("fork") == 1);
    ran = co_await world.call(world.a, "core get log 4");
    CHECK(ran.code == 3);
    CHECK(ran.out.empty());
    ran = co_await world.call(world.a, "core truncate log 5");
    CHECK(ran.code == 3);
  };
  world.run(story());
}

TEST_CASE("a core that is not here is not found, and a followed one is not writable") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(1);
    for (const char* line : {"core get log 0", "core info log", "core append log", "core truncate log 0",
                             "forget log", "download log"}) {
      const Ran ran = co_await world.call(world.b, line);
      CHECK(ran.code == 3);
      CHECK(ran.err.starts_with("sheaf: no core log"));
    }
    Ran ran = co_await world.call(world.b, "add --core " + key);
    CHECK(ran.out == key + "\n");
    ran = co_await world.call(world.b, "core append " + key, "x");
    CHECK(ran.code == 5);
    ran = co_await world.call(world.b, "core truncate " + key + " 0");
    CHECK(ran.code == 5);
  };
  world.run(story());
}

TEST_CASE("connect fetches everything and ends; the blocks are then here") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(300);
    const std::string address = co_await world.serve_a();
    co_await world.b.node->close();
    world.b.node.reset();
    co_await world.open(world.b, false);
    Ran ran = co_await world.call(world.b, "add --core " + key);
    CHECK(ran.code == 0);
    ran = co_await world.call(world.b, "connect --json " + address);
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.json().at("event") == "complete");
    CHECK(ran.json().at("blocks_received") == 300);
    ran = co_await world.call(world.b, "core get " + key + " 299");
    CHECK(ran.out == "299");
    ran = co_await world.call(world.b, "info --json");
    CHECK(ran.json().at("cores").at(0).at("complete") == true);
  };
  world.run(story());
}

TEST_CASE("info shows the stores, and the routes between them as the configuration has them") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    Ran ran = co_await world.call(world.a, "--dir /folder info --json");
    CHECK(ran.code == 0);
    Json info = ran.json();
    const Json defaults = Json::parse(
        R"([{"label":"root","backend":"leveldb","path":"/folder/root","adopt":false,"trouble":null},
            {"label":"small","backend":"leveldb","path":"/folder/small","adopt":false,"trouble":null},
            {"label":"large","backend":"log","path":"/folder/large","adopt":false,"trouble":null}])");
    CHECK(info.at("stores") == defaults);
    REQUIRE(info.at("routes").size() == 1);
    CHECK(info.at("routes").at(0).at("min_size") == 4096);
    CHECK(info.at("routes").at(0).at("to") == Json::parse(R"(["large"])"));
    CHECK(info.at("fallback") == "small");
    CHECK(info.at("copies_least").is_null());

    const std::string key(64, 'a');
    const std::string text =
        "[storage]\ncopies_least = 1\n[[storage.store]]\nlabel = \"small\"\nbackend = \"memory\"\n"
        "[[storage.store]]\nlabel = \"away\"\npath = \"/srv/away\"\nadopt = true\n"
        "[[storage.route]]\nmax_size = 9\nrole = \"block\"\narchive = \"" +
        key +
        "\"\nto = [\"away\", \"small\"]\n"
        "[[storage.route]]\ncontent_type = [\"image/png\", \"text/*\"]\njson = \"/kind\"\n"
        "one_of = [\"a\", 2]\nto_json = \"/stores\"\n";
    world.a.storage = parse_config(text, "sheaf.toml", "/folder", test::plain_surroundings()).storage;
    ran = co_await world.call(world.a, "--dir /folder info --json");
    info = ran.json();
    CHECK(info.at("stores").at(1).at("path").is_null());
    const Json away = info.at("stores").at(2);
    CHECK(away.at("path") == "/srv/away");
    CHECK(away.at("adopt") == true);
    CHECK(away.at("trouble") == "there is no such store");  // of this router
    const Json routes =
        Json::parse(R"([{"name":"the route at line 10","max_size":9,"role":"block","archive":")" + key +
                    R"(","to":["away","small"]},
            {"name":"the route at line 15","content_type":["image/png","text/*"],"json":"/kind",
             "one_of":["a",2],"to_json":"/stores"}])");
    CHECK(info.at("routes") == routes);
    CHECK(info.at("fallback").is_null());
    CHECK(info.at("copies_least") == 1);

    ran = co_await world.call(world.a, "--dir /folder info");
    CHECK(ran.code == 0);
    const char* const lines[] = {
        "away              leveldb   failed   /srv/away  (adopts): there is no such store\n",
        "\nmax_size 9  role block  archive aaaa",
        "\ncontent_type [\"image/png\",\"text/*\"]  json /kind",
        "-> away small\n",
        "-> the stores that it names at /stores\n",
        "other values  -> none, an error\n"};
    for (const char* line : lines) {
      CAPTURE(line);
      CAPTURE(ran.out);
      CHECK(ran.out.find(line) != std::string::npos);
    }
  };
  world.run(story());
}

// As somebody has it who copied the folder.
std::unique_ptr<Router> copy_of(Backend& store) {
  auto out = test::router_in_memory();
  REQUIRE(out->open().has_value());
  auto all = store.iterate({});
  REQUIRE(all.has_value());
  Batch batch;
  while ((*all)->next().value())
    batch.put_copy((*all)->key(), (*all)->value(), {.role = Traits::Role::state});
  REQUIRE(out->write(batch, Durable::no).has_value());
  return out;
}

TEST_CASE("a core whose writer signed two histories is exit 4, where it is met and where it is written") {
  World world;
  test::Place twin;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(3);
    twin.store = copy_of(*world.a.store);
    auto opened = co_await Node::open(*twin.store, world.environment.get());
    REQUIRE(opened.has_value());
    twin.node = std::move(*opened);
    CHECK((co_await world.call(world.a, "core append log", "one")).code == 0);
    CHECK((co_await world.call(twin, "core append log", "another")).code == 0);
    const std::string one = co_await world.serve_a();
    Address address;  // g++ 12 destroys twice what is written out within an awaited call
    address.host = "127.0.0.1";
    co_await world.b.node->close();
    world.b.node.reset();
    co_await world.open(world.b, false);
    Ran ran = co_await world.call(world.b, "add --core " + key);
    ran = co_await world.call(world.b, "connect " + one);
    CHECK(ran.code == 0);
    const auto reader = co_await world.b.node->listen(address);
    REQUIRE(reader.has_value());
    // The second writer asks whoever has a length of its log that it did not give out.
    ran = co_await world.call(twin, "connect " + to_string(*reader));
    CHECK(ran.code == 4);
    CHECK(ran.err.find(key + ": its writer signed two histories") != std::string::npos);
    // The first writer learns of it from the reader.
    ran = co_await world.call(world.a, "connect " + to_string(*reader));
    CHECK(ran.code == 4);
    for (test::Place* place : {&world.a, &twin}) {
      ran = co_await world.call(*place, "core append log", "more");
      CHECK(ran.code == 4);
      CHECK(ran.err.find("two histories") != std::string::npos);
      CHECK((co_await world.call(*place, "core truncate log 1")).code == 4);
    }
    ran = co_await world.call(world.b, "core get " + key + " 0");
    CHECK(ran.code == 0);
    CHECK(ran.out == "0");
    ran = co_await world.call(world.b, "info --json");
    CHECK(ran.json().at("cores").at(0).at("frozen") == true);
    co_await twin.node->close();

    // Who follows it and has nothing is told, too, by whichever command meets them first.
    const std::string met = to_string(*reader);
    const std::vector<std::string> commands = {"connect " + met, "download --all --peer " + met};
    for (const std::string& command : commands) {
      test::Place fresh;
      co_await world.open(fresh, false);
      CHECK((co_await world.call(fresh, "add --core " + key)).code == 0);
      ran = co_await world.call(fresh, command);
      CHECK(ran.code == 4);
      CHECK(ran.err == "sheaf: " + key + ": its writer signed two histories; it takes nothing more\n");
      co_await fresh.node->close();
    }
  };
  world.run(story());
}

TEST_CASE("whoever takes a bare core for an archive is told what it may be, where it was to be read") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(3);
    const std::string address = co_await world.serve_a();
    const std::string why =
        "no archive, or encrypted with a key that is not here (forget a bare core, and add it with --core)\n";
    // Its blocks came, and of contents that it might name nobody has anything.
    Ran ran = co_await world.call(world.b, "clone " + key + " " + address + " --timeout 0.5");
    CHECK(ran.code == exit_code::no_peer);
    CHECK(ran.err == "sheaf: " + key + ": " + why);
    ran = co_await world.call(world.b, "read x");
    CHECK(ran.code == exit_code::failed);
    CHECK(ran.err == "sheaf: x: " + why);
  };
  world.run(story());
}

TEST_CASE("what of an archive may be kept here stops its clone, whether it can be read or not") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    Ran ran = co_await world.call(world.a, "init --json --encryption-key-file -", std::string(64, '5'));
    CHECK(ran.code == 0);
    const std::string key = ran.json().at("key").get<std::string>();
    for (const std::string name : {"one", "other"})
      CHECK((co_await world.call(world.a, "write " + name, std::string(5'000, 'x'))).code == 0);
    const std::string address = co_await world.serve_a();
    test::Place carrier;
    carrier.config.quota_archive = {6'000};
    co_await world.open(carrier);
    ran = co_await world.call(carrier, "clone " + key + " " + address);
    CHECK(ran.code == exit_code::refused);
    CHECK(ran.err.find("quota") != std::string::npos);
    ran = co_await world.call(carrier, "download --all --peer " + address);
    CHECK(ran.code == exit_code::refused);
    co_await carrier.node->close();
  };
  world.run(story());
}

TEST_CASE("a file that can never be here as a whole is not begun, and one that is here is") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    for (const std::size_t size : {100, 300})
      CHECK((co_await world.call(world.a, "write " + std::to_string(size), std::string(size, 'x'))).code ==
            0);
    const std::string key = (co_await world.call(world.a, "init")).out.substr(0, 64);
    const std::string address = co_await world.serve_a();
    test::Place reader;
    co_await world.open(reader);
    CHECK((co_await world.call(reader, "add " + key)).code == 0);
    CHECK((co_await world.call(reader, "download 100 --peer " + address)).code == 0);
    co_await reader.node->close();
    reader.config.quota_archive = {50};
    co_await world.open_node(reader);
    CHECK((co_await world.call(reader, "download 100 --peer " + address)).code == 0);
    const Ran ran = co_await world.call(reader, "download 300 --peer " + address);
    CHECK(ran.code == exit_code::refused);
    CHECK(ran.err.starts_with("sheaf: /300: the archive's quota"));
    co_await reader.node->close();
  };
  world.run(story());
}

TEST_CASE("get fetches one block from a named peer, and only that one") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(50);
    const std::string address = co_await world.serve_a();
    Ran ran = co_await world.call(world.b, "add --core " + key);
    ran = co_await world.call(world.b, "core get " + key + " 41 --peer " + address);
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.out == "41");
    ran = co_await world.call(world.b, "core info --json " + key);
    CHECK(ran.json().at("length") == 50);
    CHECK(ran.json().at("local") == 1);
    ran = co_await world.call(world.b, "core get " + key + " 50 --peer " + address);
    CHECK(ran.code == 3);
    ran = co_await world.call(world.b, "core get " + key + " 42");
    CHECK(ran.code == 6);
    ran = co_await world.call(world.b, "download " + key + " --peer " + address);
    CHECK(ran.code == 0);
    ran = co_await world.call(world.b, "core get " + key + " 42");
    CHECK(ran.out == "42");
  };
  world.run(story());
}

TEST_CASE("a peer that cannot be reached, or has nothing, is exit 6") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key(64, '7');
    const std::string address = co_await world.serve_a();
    Ran ran = co_await world.call(world.b, "add --core " + key);
    ran = co_await world.call(world.b, "connect tcp://127.0.0.1:1");
    CHECK(ran.code == 6);
    CHECK(ran.err.find("tcp://127.0.0.1:1") != std::string::npos);
    ran = co_await world.call(world.b, "core get --timeout 0.3 " + key + " 0 --peer tcp://127.0.0.1:1");
    CHECK(ran.code == 6);
    ran = co_await world.call(world.b, "core get --timeout 0.3 " + key + " 0 --peer " + address);
    CHECK(ran.code == 6);
    ran = co_await world.call(world.b, "download --all --timeout 0.3 --peer " + address);
    CHECK(ran.code == 6);
  };
  world.run(story());
}

TEST_CASE("a peer with another key than the address says is refused") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    std::string address = co_await world.serve_a();
    address.replace(0, 6, "tcp://" + std::string(64, '1') + "@");
    Ran ran = co_await world.call(world.b, "connect " + address);
    CAPTURE(ran.err);
    CHECK(ran.code == 5);
    address = co_await world.serve_a();
    address.replace(0, 6, "tcp://" + to_string(world.a.node->identity()) + "@");
    ran = co_await world.call(world.b, "connect " + address);
    CHECK(ran.code == 0);
  };
  world.run(story());
}

asio::awaitable<void> call_into(World& world, std::string line, const Stop& stop, Ran& ran, test::Pipe& out) {
  ran = co_await world.call(world.a, std::move(line), {}, &stop, &out);
}

TEST_CASE("serve says where it listens, and ends by a signal with 0; nobody listens there then") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    Tasks tasks(world.loop.get_executor());
    Stop stop;
    Ran ran;
    test::Pipe out;
    tasks.start(call_into(world, "serve --sparse --json --listen tcp://127.0.0.1:0", stop, ran, out));
    std::string line;
    Io reader({Descriptor(::dup(out.read.get())), {}, {}}, test::plain_surroundings());
    while (!line.ends_with('\n')) {
      std::byte part[256];
      const auto got = co_await reader.read(part);
      line += as_text(Bytes(part).first(got.value()));
    }
    const Json event = Json::parse(line);
    CHECK(event.at("event") == "listening");
    const auto address = event.at("address").get<std::string>();
    Ran connected = co_await world.call(world.b, "connect " + address);
    CHECK(connected.code == 0);
    stop = {Stop::Why::signal, SIGTERM};
    tasks.cancel();
    co_await tasks.join();
    CHECK(ran.code == 0);
    CHECK(ran.err == "");
    connected = co_await world.call(world.b, "connect " + address);
    CHECK(connected.code == 6);
  };
  world.run(story());
}

TEST_CASE("serve warns when strangers can connect, and fails where it cannot listen") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    Ran ran = co_await world.call(world.a, "serve");
    CHECK(ran.code == 2);
    const std::string taken = co_await world.serve_a();
    ran = co_await world.call(world.a, "serve --listen " + taken);
    CHECK(ran.code == 1);
    CHECK(ran.err.find(taken) != std::string::npos);
    std::string open = taken;
    open.replace(0, 15, "tcp://0.0.0.0");
    ran = co_await world.call(world.a, "serve --listen " + taken + " " + open);
    CHECK(ran.err.find("warning: ") != std::string::npos);
  };
  world.run(story());
}

TEST_CASE("forget deletes a followed core at once, and an own one only when it is meant") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key = co_await world.log_at_a(1);
    Ran ran = co_await world.call(world.a, "forget log");
    CHECK(ran.code == 2);
    ran = co_await world.call(world.a, "core info log");
    CHECK(ran.code == 0);
    ran = co_await world.call(world.a, "forget log --yes");
    CHECK(ran.code == 0);
    ran = co_await world.call(world.a, "core info log");
    CHECK(ran.code == 3);
    ran = co_await world.call(world.b, "add --core " + key);
    ran = co_await world.call(world.b, "forget " + key);
    CHECK(ran.code == 0);
    ran = co_await world.call(world.b, "core info " + key);
    CHECK(ran.code == 3);
  };
  world.run(story());
}

TEST_CASE("add takes the encryption key from a file or from stdin, as bytes or as text") {
  World world;
  const test::TemporaryFolder folder;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string key(64, '8');
    const std::string file = (folder.path() / "key").string();
    std::ofstream(file) << std::string(64, 'a') << '\n';
    Ran ran = co_await world.call(world.b, "add --core " + key + " --encryption-key-file " + file);
    CHECK(ran.code == 0);
    ran = co_await world.call(world.b, "add --core " + key + " --encryption-key-file -",
                              std::string(32, '\x07'));
    CHECK(ran.code == 0);
    ran = co_await world.call(world.b, "add --core " + key + " --encryption-key-file -", "too short");
    CHECK(ran.code == 1);
    CHECK(ran.err.find("too short") == std::string::npos);
    ran = co_await world.call(world.b, "add --core " + key + " --encryption-key-file " + file + ".none");
    CHECK(ran.code == 1);
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::peer_node
