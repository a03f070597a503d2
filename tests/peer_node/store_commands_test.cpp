// sheaf store: what each command prints and how it ends, on a router in memory.
#include <poll.h>

#include "engine/peer_node/commands/store_batch.hpp"
#include "tests/peer_node/command_world.hpp"

namespace sheaf::peer_node {
namespace {

using namespace sheaf::test;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(Json::parse(line));
  return out;
}

// Arguments cannot hold spaces or bytes beyond text in these tests; JSON lines can.
std::string put_line(const std::string& key, const std::string& value) {
  return Json{{"type", "put"}, {"key", key}, {"value", value}}.dump() + "\n";
}

TEST_CASE("what was put is read, listed with its store, and gone after del") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string large(5'000, 'l');
    const Ran put = co_await world.call(world.a, "store put small", "hello");
    CHECK(put.code == 0);
    CHECK(put.out.empty());
    const Ran put_large = co_await world.call(world.a, "store put large", large);
    CHECK(put_large.code == 0);
    const Ran got = co_await world.call(world.a, "store get small");
    CHECK(got.out == "hello");
    const Ran got_large = co_await world.call(world.a, "store get large");
    CHECK(got_large.out == large);
    const Ran listed = co_await world.call(world.a, "store list --json");
    const auto lines = lines_of(listed.out);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == Json{{"key", "large"}, {"length", 5000}, {"stores", {"large"}}});
    CHECK(lines[1] == Json{{"key", "small"}, {"length", 5}, {"stores", {"small"}}});
    const Ran gone = co_await world.call(world.a, "store del small");
    CHECK(gone.code == 0);
    const Ran missing = co_await world.call(world.a, "store get small");
    CHECK(missing.code == 3);
    CHECK(missing.err == "sheaf: no value small\n");
    const Ran again = co_await world.call(world.a, "store del small");
    CHECK(again.code == 3);
  };
  world.run(story());
}

TEST_CASE("a value replaced by one of another size moves, and its old copy goes") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string large(5'000, 'l');
    co_await world.call(world.a, "store put k", large);
    co_await world.call(world.a, "store put k", "now small");
    const Ran all = co_await world.call(world.a, "store get k --all");
    const auto copies = lines_of(all.out);
    REQUIRE(copies.size() == 1);
    CHECK(copies[0].at("store") == "small");
    CHECK(copies[0].at("current") == true);
    CHECK(copies[0].at("value") == "now small");
    const Ran check = co_await world.call(world.a, "store check --json");
    CHECK(check.code == 0);
    CHECK(lines_of(check.out).back().at("wrong") == 0);
    CHECK(lines_of(check.out).back().at("findings") == 0);
  };
  world.run(story());
}

TEST_CASE("post prints the fresh key, by which the value is read") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran posted = co_await world.call(world.a, "store post --json", "hello");
    const auto key = posted.json().at("key").get<std::string>();
    CHECK(key.size() == 32);
    const Ran got = co_await world.call(world.a, "store get " + key);
    CHECK(got.out == "hello");
    const Ran bare = co_await world.call(world.a, "store post", "hello");
    CHECK(bare.out.size() == 33);
    CHECK(bare.out != key + "\n");
  };
  world.run(story());
}

TEST_CASE("list takes bounds, an order and a limit, and holds nothing of the node's own") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.log_at_a(3);
    const std::vector<std::string> four = {"a", "b", "c", "d"};
    for (const std::string& key : four) {
      const std::string line = "store put " + key;
      co_await world.call(world.a, line, key);
    }
    struct Row {
      std::string options;
      std::string keys;
    };
    static const std::vector<Row> rows = {
        {"", "abcd"},      {"--gt a", "bcd"},        {"--gte b --lte c", "bc"},
        {"--lt c", "ab"},  {"--gt a --gte c", "cd"}, {"--reverse --limit 2", "dc"},
        {"--limit 0", ""}, {"--gte e", ""}};
    for (const Row& row : rows) {
      const std::string line = "store list --json --values " + row.options;
      const Ran ran = co_await world.call(world.a, line);
      std::string keys;
      for (const Json& one : lines_of(ran.out)) {
        keys += one.at("key").get<std::string>();
        CHECK(one.at("value") == one.at("key"));
      }
      CAPTURE(row.options);
      CHECK(ran.code == 0);
      CHECK(keys == row.keys);
    }
  };
  world.run(story());
}

TEST_CASE("list is a table whose columns stay in line, also where a value has copies in two stores") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.call(world.a, "store put one", "1");
    const std::string both = R"({"stores":["small","large"]})";
    co_await world.call(world.a, "store put two", both);
    const Ran listed = co_await world.call(world.a, "store list");
    CHECK(listed.out ==
          "             1  small             one\n"
          "            28  small,large       two\n");
  };
  world.run(story());
}

TEST_CASE("bytes that are no text go in and out as hex digits") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran put =
        co_await world.call(world.a, "store batch", R"({"type":"put","key_hex":"00ff","value_hex":"fe00"})");
    CHECK(put.code == 0);
    const Ran listed = co_await world.call(world.a, "store list --json --values");
    CHECK(listed.json() ==
          Json{{"key_hex", "00ff"}, {"length", 2}, {"stores", {"small"}}, {"value_hex", "fe00"}});
    const Ran row = co_await world.call(world.a, "store list --values");
    CHECK(row.out.find("\\x00\\xff  \\xfe\\x00\n") != std::string::npos);
    const Ran gone = co_await world.call(world.a, "store batch", R"({"type":"del","key_hex":"00FF"})");
    CHECK(gone.code == 0);
    const Ran empty = co_await world.call(world.a, "store list");
    CHECK(empty.out.empty());
  };
  world.run(story());
}

TEST_CASE("a batch is applied whole; with one bad line, not at all") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string two = put_line("a", "1") + "\n" + put_line("b", std::string(5'000, 'b'));
    const Ran first = co_await world.call(world.a, "store batch", two);
    CHECK(first.code == 0);
    const std::string bad = R"({"type":"del","key":"a"})"
                            "\n" +
                            put_line("c", "3") + R"({"type":"put","key":"d"})";
    const Ran second = co_await world.call(world.a, "store batch", bad);
    CHECK(second.code == 1);
    CHECK(second.err == "sheaf: stdin, line 3: has to have one of value and value_hex\n");
    const Ran listed = co_await world.call(world.a, "store list --json");
    const auto lines = lines_of(listed.out);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].at("key") == "a");
    CHECK(lines[1].at("key") == "b");
    const Ran nothing = co_await world.call(world.a, "store batch", "\n \n");
    CHECK(nothing.code == 0);
  };
  world.run(story());
}

TEST_CASE("what is no operation of a batch is told, and adds nothing") {
  const std::pair<const char*, const char*> rows[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {"[]", "not a JSON object"},
      {R"({"key":"a"})", "type is neither put nor del"},
      {R"({"type":7,"key":"a"})", "type is neither put nor del"},
      {R"({"type":"put","value":"a"})", "has to have one of key and key_hex"},
      {R"({"type":"put","key":"a","key_hex":"00","value":""})", "has to have one of key and key_hex"},
      {R"({"type":"put","key":7,"value":""})", "key is not a text"},
      {R"({"type":"put","key":"","value":""})", "a value's key has 1 to 1,024 bytes"},
      {R"({"type":"put","key":"a","value":{}})", "value is not a text"},
      {R"({"type":"put","key":"a","value_hex":"0"})",
       "value_hex is not a text of hex digits, two for a byte"},
      {R"({"type":"del","key":"a","value":""})", "no such member here: value"}};
  for (const auto& row : rows) {
    Batch batch;
    const std::string line = row.first;
    const auto wrong = add_operation(batch, as_bytes(line));
    CAPTURE(line);
    REQUIRE(wrong.has_value());
    CHECK(*wrong == row.second);
    CHECK(batch.empty());
  }
  Batch batch;
  const std::string long_key(1025, 'k');
  CHECK(add_operation(batch, as_bytes(put_line(long_key, ""))).has_value());
  CHECK(batch.empty());
}

TEST_CASE("explain names the stores and the rule") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string large(4'096, 'l');
    const Ran big = co_await world.call(world.a, "store explain --json", large);
    CHECK(big.json().at("stores") == Json::array({"large"}));
    CHECK(big.json().at("why") == "4 KiB or more: its 4096 bytes are at least 4096");
    const Ran small = co_await world.call(world.a, "store explain", "s");
    CHECK(small.out == "small: no route takes it: the fallback\n");
    const Ran listed = co_await world.call(world.a, "store list");
    CHECK(listed.out.empty());
  };
  world.run(story());
}

TEST_CASE("watch tells every change from then on, once and in order, and nothing of the node's own") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.call(world.a, "store put before", "0");
    Pipe output;
    const Stop interrupted{Stop::Why::signal, 2};
    const auto watch = [&]() -> asio::awaitable<Result<int>> {
      const Ran ran = co_await world.call(world.a, "store watch --values", {}, &interrupted, &output);
      co_return ran.code;
    };
    // Until it has told what this changed.
    const auto change = [&]() -> asio::awaitable<Result<int>> {
      std::string told;
      Io reading({Descriptor(::dup(output.read.get())), {}, {}}, plain_surroundings());
      const auto next = [&](std::string until) -> asio::awaitable<void> {
        while (told.find(until) == std::string::npos) {
          Buffer part(4096);
          const auto got = co_await reading.read(part);
          REQUIRE(got.has_value());
          told += as_text(Bytes(part).first(*got));
        }
      };
      // It tells nothing of when it begins on stdout, so that we change something until it does.
      int rounds = 0;
      pollfd readable{output.read.get(), POLLIN, 0};
      while (::poll(&readable, 1, 0) == 0) {
        const std::string round = std::to_string(++rounds);
        co_await world.call(world.a, "store put round", round);
      }
      co_await world.log_at_a(2);
      const std::string both =
          put_line("x", "1") + R"({"type":"del","key":"round"})" + "\n" + put_line("y", "2");
      co_await world.call(world.a, "store batch", both);
      co_await world.call(world.a, "store del y");
      const std::string last = "\"y\"}\n";
      co_await next(last);
      const auto lines = lines_of(told);
      REQUIRE(lines.size() > 4);
      const auto tail = std::vector<Json>(lines.end() - 4, lines.end());
      CHECK(tail[0].at("key") == "x");
      CHECK(tail[0].at("value") == "1");
      CHECK(tail[1].at("type") == "del");
      CHECK(tail[1].at("key") == "round");
      CHECK(tail[2].at("key") == "y");
      CHECK(tail[0].at("batch") == tail[2].at("batch"));
      CHECK(tail[3].at("type") == "del");
      CHECK(tail[3].at("batch").get<int>() > tail[2].at("batch").get<int>());
      for (std::size_t i = 0; i + 4 < lines.size(); ++i) CHECK(lines[i].at("key") == "round");
      co_return 0;
    };
    const auto both = co_await until_one_ends(change(), watch());
    CHECK(both.a_first);
    CHECK(both.b.value() == 0);  // an interrupted watch has done its work
  };
  world.run(story());
}

TEST_CASE("a check names what is wrong, ends with 4, and with --repair mends it") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    co_await world.call(world.a, "store put k", "value");
    const Ran sound = co_await world.call(world.a, "store check");
    CHECK(sound.code == 0);
    CHECK(sound.out.find("0 wrong") != std::string::npos);
    const Ran again = co_await world.call(world.a, "store check --rebuild-root");
    CHECK(again.code == 1);
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::peer_node
