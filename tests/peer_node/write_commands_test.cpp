// The commands that write this folder's archive, and list --live: what they print, and how they end.
#include "tests/peer_node/command_world.hpp"

namespace sheaf::peer_node {
namespace {

using namespace sheaf::test;

TEST_CASE("init prints the key of the folder's archive, the same one each time") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran first = co_await world.call(world.a, "init");
    CHECK(first.code == 0);
    CHECK(first.out.size() == 65);
    const Ran again = co_await world.call(world.a, "init --json");
    CHECK(again.json() == Json{{"key", first.out.substr(0, 64)}});
    const Ran info = co_await world.call(world.a, "info --json");
    const Json archive = info.json().at("archives").at(0);
    CHECK(archive.at("key") == first.out.substr(0, 64));
    CHECK(archive.at("writable") == true);
    CHECK(archive.at("version") == 1);
    CHECK(archive.at("complete") == true);
    CHECK(archive.at("readable") == true);
  };
  world.run(story());
}

TEST_CASE("write says nothing; what it wrote is listed, read, and gone after rm") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran written =
        co_await world.call(world.a, "write docs/a.txt --executable --metadata {\"x\":1}", "abc");
    CHECK(written.code == 0);
    CHECK(written.out.empty());
    const Ran listed = co_await world.call(world.a, "list --json");
    CHECK(listed.json().at("name") == "/docs/a.txt");
    CHECK(listed.json().at("length") == 3);
    CHECK(listed.json().at("executable") == true);
    CHECK(listed.json().at("metadata") == Json{{"x", 1}});
    const Ran read = co_await world.call(world.a, "read docs/a.txt");
    CHECK(read.out == "abc");
    const Ran gone = co_await world.call(world.a, "rm docs/a.txt");
    CHECK(gone.code == 0);
    CHECK(gone.out.empty());
    const Ran missing = co_await world.call(world.a, "read docs/a.txt");
    CHECK(missing.code == 3);
    const Ran again = co_await world.call(world.a, "rm docs/a.txt");
    CHECK(again.code == 3);
  };
  world.run(story());
}

TEST_CASE("HM-34: an entry of list is an object whose members come in one order, with their values or null") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran written = co_await world.call(world.a, "write docs/a.txt", "abc");
    CHECK(written.code == 0);
    const Ran listed = co_await world.call(world.a, "list --json");
    const auto entry = nlohmann::ordered_json::parse(listed.out);
    std::string members;
    for (const auto& [name, value] : entry.items()) members += name + " " + value.type_name() + ", ";
    CHECK(members ==
          "name string, link string, type string, length number, blocks number, offset object, "
          "linkname null, executable boolean, metadata null, mtime null, version number, local number, ");
    CHECK(entry.at("offset").dump() == R"({"block":0,"byte":0})");
    CHECK(entry.at("link").get<std::string>().size() == 64);
    CHECK(entry.at("type") == "file");
    CHECK(entry.at("blocks") == 1);
    CHECK(entry.at("local") == 1);
  };
  world.run(story());
}

TEST_CASE("append puts an entry as it is given") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran link = co_await world.call(world.a, R"(append {"name":"link","linkname":"a"})");
    CHECK(link.code == 0);
    const Ran note =
        co_await world.call(world.a, R"(append {"name":"note","executable":true,"metadata":[1,null]})");
    CHECK(note.code == 0);
    const Ran one = co_await world.call(world.a, "get link");
    CHECK(one.json().at("type") == "symlink");
    CHECK(one.json().at("linkname") == "a");
    const Ran other = co_await world.call(world.a, "get note");
    CHECK(other.json().at("type") == "metadata");
    CHECK(other.json().at("executable") == true);
    CHECK(other.json().at("metadata") == Json::array({1, nullptr}));
    const Ran contents = co_await world.call(world.a, "read note");
    CHECK(contents.code == 1);
  };
  world.run(story());
}

TEST_CASE("another writer's entry is not deleted, and a name that two archives have is not guessed") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran key_ran = co_await world.call(world.b, "init");
    const std::string key = key_ran.out.substr(0, 64);
    {
      const Ran ran = co_await world.call(world.b, "write theirs", "1");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.b, "write both", "2");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "write both", "3");
      CHECK(ran.code == 0);
    }
    const std::string address = co_await world.serve(world.b);
    {
      const Ran ran = co_await world.call(world.a, "clone " + key + " " + address);
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "rm theirs");
      CHECK(ran.code == 5);
    }
    {
      const Ran ran = co_await world.call(world.a, "rm both@" + key);
      CHECK(ran.code == 5);
    }
    const Ran several = co_await world.call(world.a, "rm both");
    CHECK(several.code == 1);
    CHECK(several.err.find("/both@" + key) != std::string::npos);
    const Ran own_ran = co_await world.call(world.a, "init");
    const std::string own = own_ran.out.substr(0, 64);
    {
      const Ran ran = co_await world.call(world.a, "rm both@" + own.substr(0, 8));
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "rm both");
      CHECK(ran.code == 5);
    }
  };
  world.run(story());
}

TEST_CASE("truncate winds back; a version that is not there, or no archive at all, is not found") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    {
      const Ran ran = co_await world.call(world.a, "truncate 1");
      CHECK(ran.code == 3);
    }
    {
      const Ran ran = co_await world.call(world.a, "rm a");
      CHECK(ran.code == 3);
    }
    {
      const Ran ran = co_await world.call(world.a, "write a", "1");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "write a", "22");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "truncate 4");
      CHECK(ran.code == 3);
    }
    {
      const Ran ran = co_await world.call(world.a, "truncate 2");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.a, "read a");
      CHECK(ran.out == "1");
    }
    const Ran info = co_await world.call(world.a, "info --json");
    CHECK(info.json().at("archives").at(0).at("fork") == 1);
  };
  world.run(story());
}

TEST_CASE("the cores of an archive are not written as bare ones") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran key_ran = co_await world.call(world.a, "init");
    const std::string key = key_ran.out.substr(0, 64);
    {
      const Ran ran = co_await world.call(world.a, "core append " + key, "x");
      CHECK(ran.code == 5);
    }
    {
      const Ran ran = co_await world.call(world.a, "core truncate " + key + " 0");
      CHECK(ran.code == 5);
    }
  };
  world.run(story());
}

TEST_CASE("keys go to a new file of their owner's alone, and into a folder that has none") {
  CommandWorld world;
  TemporaryFolder scratch;
  const std::string file = (scratch.path() / "keys").string();
  const auto story = [&]() -> asio::awaitable<void> {
    const Ran key_ran = co_await world.call(world.a, "init");
    const std::string key = key_ran.out;
    {
      const Ran ran = co_await world.call(world.a, "key export " + file);
      CHECK(ran.code == 0);
    }
    CHECK(std::filesystem::status(file).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    {
      const Ran ran = co_await world.call(world.a, "key export " + file);
      CHECK(ran.code == 1);
    }
    const Ran moved = co_await world.call(world.b, "init --from " + file);
    CHECK(moved.code == 0);
    CHECK(moved.out == key);
    CHECK(world.b.node->identity() == world.a.node->identity());
    {
      const Ran ran = co_await world.call(world.b, "init --from -", "sheaf keys 1\n");
      CHECK(ran.code == 1);
    }
    {
      const Ran ran = co_await world.call(world.b, "init --from " + file + ".not");
      CHECK(ran.code == 3);
    }
  };
  world.run(story());
}

TEST_CASE("keys of another archive are refused where one is written already") {
  CommandWorld world;
  const auto story = [&]() -> asio::awaitable<void> {
    {
      const Ran ran = co_await world.call(world.a, "init");
      CHECK(ran.code == 0);
    }
    {
      const Ran ran = co_await world.call(world.b, "init");
      CHECK(ran.code == 0);
    }
    const Ran keys_ran = co_await world.call(world.a, "key export -");
    const std::string keys = keys_ran.out;
    const Ran refused = co_await world.call(world.b, "init --from -", keys);
    CHECK(refused.code == 1);
    CHECK(refused.err.find("other keys") != std::string::npos);
    {
      const Ran ran = co_await world.call(world.a, "init --from -", keys);
      CHECK(ran.code == 0);
    }
  };
  world.run(story());
}

TEST_CASE("what can only be wrong is wrong usage, and nothing is tried") {
  const auto code = [](std::vector<std::string> arguments) {
    const Parsed parsed = parse_arguments(arguments, plain_surroundings());
    const auto* said = std::get_if<Said>(&parsed);
    return said == nullptr ? 0 : said->code;
  };
  CHECK(code({"write", "a"}) == 0);
  CHECK(code({"write"}) == 2);
  CHECK(code({"write", "../a"}) == 2);
  CHECK(code({"write", "/"}) == 2);
  CHECK(code({"write", "a", "--metadata", "{"}) == 2);
  CHECK(code({"append", R"({"name":"a"})"}) == 0);
  CHECK(code({"append", "{"}) == 2);
  CHECK(code({"append", "[]"}) == 2);
  CHECK(code({"append", "{}"}) == 2);
  CHECK(code({"append", R"({"name":7})"}) == 2);
  CHECK(code({"append", R"({"name":"a","executable":1})"}) == 2);
  CHECK(code({"append", R"({"name":"a","linkname":{}})"}) == 2);
  const std::string deep = std::string(50'000, '[') + std::string(50'000, ']');
  CHECK(code({"write", "a", "--metadata", deep}) == 2);
  CHECK(code({"append", R"({"name":"a","metadata":)" + deep + "}"}) == 2);
  CHECK(code({"append", R"({"name":"a","other":)" + deep + "}"}) == 2);
  CHECK(code({"truncate", "0"}) == 2);
  CHECK(code({"truncate", "-1"}) == 2);
  CHECK(code({"truncate", "x"}) == 2);
  CHECK(code({"rm"}) == 2);
  CHECK(code({"key"}) == 2);
  CHECK(code({"key", "export"}) == 2);
  CHECK(code({"list", "--live", "--link", "abcdef", "--checkout", "2"}) == 2);
}

}  // namespace
}  // namespace sheaf::peer_node
