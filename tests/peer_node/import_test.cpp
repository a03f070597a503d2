// sheaf import: folders into the archive of the folder's own writer, and what comes out of it again.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/peer_node/command_world.hpp"
#include "tests/support/folder_tree.hpp"

namespace sheaf::test {
namespace {

using World = CommandWorld;

// A node's folder, a folder to import, and one to export into.
struct Disk {
  TemporaryFolder folder;
  fs::path store = folder.path() / "store";
  fs::path in = folder.path() / "in";
  fs::path out = folder.path() / "out";
  Disk() {
    fs::create_directory(store);
    fs::create_directory(in);
  }
  asio::awaitable<Ran> run(World& world, const std::string& line) {
    return world.call(world.a, "-d " + store.string() + " " + line);
  }
  asio::awaitable<Ran> import(World& world, const std::string& options = {}) {
    return run(world, "import " + in.string() + " " + options);
  }
  // The archive as a folder.
  asio::awaitable<Tree> exported(World& world) {
    const Ran ran = co_await run(world, "export --prune " + out.string());
    CHECK(ran.code == 0);
    co_return tree_of(out);
  }
};

asio::awaitable<std::uint64_t> blocks_of(World& world) {
  const Ran ran = co_await world.call(world.a, "info --json");
  const Json info = ran.json();
  std::uint64_t blocks = 0;
  for (const auto& core : info.at("cores")) blocks += core.at("length").get<std::uint64_t>();
  co_return blocks;
}

TEST_CASE("what is imported is exported as it was, and imported once") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "a/b/deep", "deep");
    write_file(disk.in / "a-b", "between");
    write_file(disk.in / "bin/run", "#!");
    fs::permissions(disk.in / "bin/run", fs::perms::owner_all);
    write_file(disk.in / "empty", "");
    write_file(disk.in / "grüße.txt", "u");
    write_file(disk.in / "large", std::string(700'000, 'l'));
    fs::create_symlink("a/b", disk.in / "link");
    fs::create_symlink(disk.in / "a/b/deep", disk.in / "absolute");
    fs::create_directories(disk.in / "hollow/deeper");
    set_time(disk.in / "a/b/deep", 1'700'000'000'123);
    const Lines names{"add /a-b",   "add /a/b/deep",  "add /absolute", "add /bin/run",
                      "add /empty", "add /grüße.txt", "add /large",    "add /link"};

    Ran ran = co_await disk.import(world, "-n");
    CHECK(ran.code == 0);
    CHECK(lines_of(ran.out) == names);
    CHECK(co_await blocks_of(world) == 0);

    ran = co_await disk.import(world);
    CHECK(ran.code == 0);
    CHECK(lines_of(ran.out) == names);
    CHECK(ran.err == "sheaf: 2 empty folders are not kept\n");
    const std::uint64_t blocks = co_await blocks_of(world);
    // A header, eight entries; of contents one block a small file and eleven of 64 KiB.
    CHECK(blocks == 1 + 8 + 4 + 11);

    Tree wanted = tree_of(disk.in);
    wanted["/absolute"] = "-> " + (disk.out / "a/b/deep").string();
    CHECK(co_await disk.exported(world) == wanted);
    CHECK(is_executable(disk.out / "bin/run"));
    CHECK(milliseconds(disk.out / "a/b/deep") == 1'700'000'000'123);

    for (const std::string options : {"", "--checksum", "--no-times"}) {
      CAPTURE(options);
      ran = co_await disk.import(world, options);
      CHECK(ran.code == 0);
      CHECK(ran.out == "");
      CHECK(co_await blocks_of(world) == blocks);
    }
  };
  world.run(story());
}

TEST_CASE("only what differs is put, and only contents that differ are stored") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    for (const char* name : {"contents", "time", "bit", "same", "kind", "sneaky"})
      write_file(disk.in / name, "text");
    for (const char* name : {"contents", "time", "bit", "same", "kind", "sneaky"})
      set_time(disk.in / name, 1'000'000);
    fs::create_symlink("same", disk.in / "link");
    CHECK((co_await disk.import(world)).code == 0);
    const std::uint64_t blocks = co_await blocks_of(world);

    write_file(disk.in / "contents", "TEXT");
    set_time(disk.in / "time", 2'000'000);
    fs::permissions(disk.in / "bit", fs::perms::owner_exec, fs::perm_options::add);
    fs::remove(disk.in / "kind");
    fs::create_symlink("same", disk.in / "kind");
    fs::remove(disk.in / "link");
    fs::create_symlink("other", disk.in / "link");
    write_file(disk.in / "sneaky", "TEXT");
    set_time(disk.in / "sneaky", 1'000'000);
    Ran ran = co_await disk.import(world);
    CHECK(lines_of(ran.out) ==
          Lines{"change /bit", "change /contents", "change /kind", "change /link", "change /time"});
    CHECK(co_await blocks_of(world) == blocks + 5 + 1);
    ran = co_await disk.import(world, "--checksum");
    CHECK(ran.out == "change /sneaky\n");
    CHECK((co_await disk.exported(world)) == tree_of(disk.in));
    CHECK(is_executable(disk.out / "bit"));
    CHECK(milliseconds(disk.out / "time") == 2'000'000);
  };
  world.run(story());
}

TEST_CASE("metadata stay when a file is imported again, and hold its time where they can") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "a", "text");
    write_file(disk.in / "b", "text");
    set_time(disk.in / "a", 5000);
    set_time(disk.in / "b", 5000);
    CHECK((co_await disk.run(world, R"(write a --metadata {"tag":1})")).code == 0);
    CHECK((co_await disk.run(world, R"(write b --metadata "words")")).code == 0);
    CHECK((co_await disk.import(world)).out == "change /a\nchange /b\n");
    const auto metadata = [&](const char* name) -> asio::awaitable<Json> {
      const Ran ran = co_await disk.run(world, std::string("get --json ") + name);
      co_return ran.json().at("metadata");
    };
    const Json of_a = co_await metadata("a");
    CHECK(of_a == Json{{"tag", 1}, {"mtime", 5000}});
    CHECK(co_await metadata("b") == "words");
    CHECK((co_await disk.import(world)).out == "");
  };
  world.run(story());
}

TEST_CASE("--to puts a folder below a name, a file comes under its base name, and --prune stays there") {
  World world;
  Disk disk;
  // Lists stand outside of the story: g++ 12 cannot keep them across a wait.
  const Lines moved{"add /docs/deep/y", "remove /docs/deep/x"};
  const Tree whole{{"/docs/deep/y", "x"}, {"/single", "1"}};
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "x", "x");
    write_file(disk.folder.path() / "one file", "1");
    write_file(disk.folder.path() / "single", "1");
    CHECK((co_await disk.run(world, "import " + (disk.folder.path() / "single").string())).out ==
          "add /single\n");
    CHECK((co_await disk.import(world, "--to /docs/deep/")).out == "add /docs/deep/x\n");
    fs::rename(disk.in / "x", disk.in / "y");
    CHECK(lines_of((co_await disk.import(world, "--to docs/deep --prune -n")).out) == moved);
    CHECK(lines_of((co_await disk.import(world, "--to docs/deep --prune")).out) == moved);
    CHECK((co_await disk.exported(world)) == whole);
    CHECK((co_await disk.import(world, "--to ../out")).code == 2);
    CHECK((co_await disk.run(world, "import --prune " + (disk.folder.path() / "single").string())).code == 2);
  };
  world.run(story());
}

TEST_CASE("what is excluded is neither put nor pruned") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "kept", "k");
    write_file(disk.in / "a.o", "o");
    write_file(disk.in / "build/x", "x");
    CHECK((co_await disk.import(world, "--exclude build/")).out == "add /a.o\nadd /kept\n");
    fs::remove(disk.in / "a.o");
    CHECK((co_await disk.import(world, "--exclude *.o --exclude build/ --prune")).out == "");
    CHECK((co_await disk.import(world, "--exclude build/ --prune")).out == "remove /a.o\n");
  };
  world.run(story());
}

TEST_CASE("what no entry can be is left out with its reason, and the rest goes on") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "good", "g");
    write_file(disk.in / "back\\slash", "x");
    write_file(disk.in / "notes:/x", "x");
    write_file(disk.in / "\xff", "x");
    REQUIRE(::mkfifo((disk.in / "pipe").c_str(), 0600) == 0);
    const Ran ran = co_await disk.import(world);
    CHECK(ran.code == 1);
    CHECK(ran.out == "add /good\n");
    const Lines said = lines_of(ran.err);
    CHECK(said.size() == 5);
    CHECK(said.back() == "sheaf: 4 names were left out");
    CHECK(ran.err.find("/pipe: it is neither file, folder nor link\n") != std::string::npos);
    CHECK(ran.err.find("/\\xff: its name is not UTF-8\n") != std::string::npos);
  };
  world.run(story());
}

TEST_CASE("the folder of the store is never imported, wherever it lies") {
  World world;
  Disk disk;
  const Tree whole{{"/in/x", "x"}};
  const fs::path places[] = {disk.store, disk.store / "keys"};
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.store / "keys", "secret");
    write_file(disk.in / "x", "x");
    Ran ran = co_await disk.run(world, "import " + disk.folder.path().string());
    CHECK(ran.code == 0);
    CHECK(ran.out == "add /in/x\n");
    for (const fs::path& path : places) {
      ran = co_await disk.run(world, "import " + path.string());
      CHECK(ran.code == 1);
      CHECK(ran.out == "");
    }
    CHECK((co_await disk.exported(world)) == whole);
    CHECK((co_await disk.run(world, "import " + (disk.in / "nothing").string())).code == 3);
  };
  world.run(story());
}

TEST_CASE("of two paths with one name the first counts") {
  World world;
  Disk disk;
  const Tree whole{{"/x", "first"}, {"/y", "y"}};
  const auto story = [&]() -> asio::awaitable<void> {
    write_file(disk.in / "x", "first");
    write_file(disk.folder.path() / "more/x", "second");
    write_file(disk.folder.path() / "more/y", "y");
    const Ran ran = co_await disk.import(world, (disk.folder.path() / "more").string());
    CHECK(ran.code == 1);
    CHECK(lines_of(ran.out) == Lines{"add /x", "add /y"});
    CHECK((co_await disk.exported(world)) == whole);
  };
  world.run(story());
}

TEST_CASE("a thousand files are a few appends, whose entries are there when they are said") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 1100; ++i) write_file(disk.in / ("f" + std::to_string(i)), std::to_string(i));
    const Ran ran = co_await disk.import(world);
    CHECK(ran.code == 0);
    CHECK(lines_of(ran.out).size() == 1100);
    CHECK((co_await disk.import(world)).out == "");
    CHECK((co_await disk.exported(world)) == tree_of(disk.in));
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::test
