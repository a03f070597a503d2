// sheaf export: archives that strangers wrote, into folders.
#include "tests/peer_node/command_world.hpp"
#include "tests/support/db_blocks.hpp"
#include "tests/support/folder_tree.hpp"

namespace sheaf::test {
namespace {

using World = CommandWorld;

// An archive of any entries.
class Written {
 public:
  void put(std::string name, std::string contents, bool executable = false, std::string metadata = "null") {
    DriveEntry entry = file(contents_.size(), bytes_, 1, contents.size());
    entry.executable = executable;
    entry.metadata = std::move(metadata);
    if (contents.empty()) entry.blob->block_length = {};
    bytes_ += contents.size();
    if (!contents.empty()) contents_.push_back(std::move(contents));
    entries_.emplace_back(std::move(name), std::move(entry));
  }
  void link(std::string name, std::string text) {
    DriveEntry entry;
    entry.linkname = std::move(text);
    entries_.emplace_back(std::move(name), std::move(entry));
  }
  void metadata(std::string name) { entries_.emplace_back(std::move(name), DriveEntry{}); }

  // Written by node a, and cloned by b; the key.
  asio::awaitable<std::string> clone_to_b(World& world, const std::string& label) {
    const std::string key = co_await write_at_a(world, label);
    const std::string address = co_await world.serve_a();
    const Ran cloned = co_await world.call(world.b, "clone " + key + " " + address);
    CHECK(cloned.err == "");
    REQUIRE(cloned.code == 0);
    co_return key;
  }

  asio::awaitable<std::string> write_at_a(World& world, const std::string& label) {
    auto blobs = co_await world.a.node->create_core(label + " blobs");
    REQUIRE(blobs.has_value());
    std::vector<Bytes> views;
    for (const std::string& one : contents_) views.push_back(as_bytes(one));
    REQUIRE((co_await blobs->append(views)).has_value());
    DbBlocks db(header_naming(blobs->key()));
    for (const auto& [name, entry] : entries_) db.put(name, entry);
    auto core = co_await world.a.node->create_core(label);
    REQUIRE(core.has_value());
    views.assign(db.blocks.begin(), db.blocks.end());
    REQUIRE((co_await core->append(views)).has_value());
    co_return to_string(core->key());
  }

 private:
  std::vector<std::string> contents_;
  std::uint64_t bytes_ = 0;
  std::vector<std::pair<std::string, DriveEntry>> entries_;
};

// One place on the disk: `store` is the folder of the node, `out` where is exported to.
struct Disk {
  TemporaryFolder folder;
  fs::path store = folder.path() / "store";
  fs::path out = folder.path() / "out";
  Disk() { fs::create_directory(store); }

  asio::awaitable<Ran> run(World& world, const std::string& options = {}) {
    return world.call(world.b, "-d " + store.string() + " export " + out.string() + " " + options);
  }
};

TEST_CASE("an export writes what is missing or differs, and nothing twice") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/a/b/deep", "deep");
    archive.put("/bin/run", "#!", true);
    archive.put("/empty", "");
    archive.link("/link", "a/b");
    archive.put("/noted", "noted", false, R"({"mtime":1700000000123,"x":1})");
    archive.metadata("/only metadata");
    co_await archive.clone_to_b(world, "one");

    Ran ran = co_await disk.run(world, "--dry-run");
    CHECK(lines_of(ran.out) ==
          Lines{"add /a/b/deep", "add /bin/run", "add /empty", "add /link", "add /noted"});
    CHECK(!fs::exists(disk.out));

    ran = co_await disk.run(world);
    CHECK(ran.code == 0);
    CHECK(lines_of(ran.out) ==
          Lines{"add /a/b/deep", "add /bin/run", "add /empty", "add /link", "add /noted"});
    CHECK(ran.err == "sheaf: /only metadata: the entry is neither file nor link\n");
    const Tree whole{
        {"/a/b/deep", "deep"}, {"/bin/run", "#!"}, {"/empty", ""}, {"/link", "-> a/b"}, {"/noted", "noted"}};
    CHECK(tree_of(disk.out) == whole);
    CHECK(is_executable(disk.out / "bin/run"));
    CHECK(!is_executable(disk.out / "noted"));
    CHECK(milliseconds(disk.out / "noted") == 1700000000123);

    CHECK((co_await disk.run(world)).out == "");

    write_file(disk.out / "a/b/deep", "DEEP");
    fs::permissions(disk.out / "bin/run", fs::perms::owner_exec, fs::perm_options::remove);
    fs::remove(disk.out / "link");
    fs::create_symlink("/nowhere", disk.out / "link");
    fs::last_write_time(disk.out / "noted", fs::file_time_type::clock::now());
    write_file(disk.out / "mine", "stays");
    ran = co_await disk.run(world, "--json");
    CHECK(ran.code == 0);
    Lines names;
    for (const std::string& line : lines_of(ran.out)) {
      const Json json = Json::parse(line);
      names.push_back(json.at("op").get<std::string>() + " " + json.at("name").get<std::string>());
      CHECK(json.at("link").get<std::string>().size() == 64);
    }
    CHECK(names == Lines{"change /a/b/deep", "change /bin/run", "change /link", "change /noted"});
    Tree with_mine = whole;
    with_mine["/mine"] = "stays";
    CHECK(tree_of(disk.out) == with_mine);
    CHECK(milliseconds(disk.out / "noted") == 1700000000123);
  };
  world.run(story());
}

TEST_CASE("size and time that are equal are enough, unless with --checksum") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/a", "text", false, R"({"mtime":1000000})");
    co_await archive.clone_to_b(world, "one");
    CHECK((co_await disk.run(world)).code == 0);
    const auto time = fs::last_write_time(disk.out / "a");
    write_file(disk.out / "a", "TEXT");
    fs::last_write_time(disk.out / "a", time);
    CHECK((co_await disk.run(world)).out == "");
    CHECK((co_await disk.run(world, "--checksum")).out == "change /a\n");
    CHECK(read_file(disk.out / "a") == "text");
  };
  world.run(story());
}

TEST_CASE("--prune deletes what no entry is, in the folder and nowhere else") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/kept/a", "a");
    archive.metadata("/noted");
    co_await archive.clone_to_b(world, "one");
    write_file(disk.folder.path() / "outside/x", "x");
    write_file(disk.out / "gone/deep/b", "b");
    write_file(disk.out / "kept/c", "c");
    write_file(disk.out / "noted", "an entry has this name");
    fs::create_symlink("../outside", disk.out / "door");
    const Tree before = tree_of(disk.out);

    const Lines all{"remove /door", "remove /gone/deep/b", "remove /kept/c", "add /kept/a"};
    CHECK(lines_of((co_await disk.run(world, "--prune -n")).out) == all);
    CHECK(tree_of(disk.out) == before);
    const Ran ran = co_await disk.run(world, "--prune");
    CHECK(ran.code == 0);
    CHECK(lines_of(ran.out) == all);
    CHECK(tree_of(disk.out) == Tree{{"/kept/a", "a"}, {"/noted", "an entry has this name"}});
    CHECK(!fs::exists(disk.out / "gone"));
    CHECK(read_file(disk.folder.path() / "outside/x") == "x");
    CHECK((co_await disk.run(world, "--prune")).out == "");
  };
  world.run(story());
}

TEST_CASE("nothing is written outside, whatever the names and links of an archive") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/../../evil", "evil");
    archive.put("/a/../b", "evil");
    archive.put("/x/", "evil");
    archive.put(std::string("/nul\0byte", 9), "evil");
    archive.put("/" + std::string(256, 'n'), "evil");
    archive.put("/.sheaf-part-0123456789abcdef", "evil");
    archive.put("/good", "good");
    archive.link("/out", "../outside");
    archive.link("/root", "/good");
    archive.put("/there/x", "evil");
    archive.put("/replaced", "mine");
    co_await archive.clone_to_b(world, "one");
    write_file(disk.folder.path() / "outside/x", "x");
    fs::create_directory(disk.out);
    fs::create_symlink("../outside", disk.out / "there");
    fs::create_symlink("../outside/x", disk.out / "replaced");

    const Ran ran = co_await disk.run(world);
    CHECK(ran.code == 4);
    CHECK(lines_of(ran.out) == Lines{"add /good", "change /replaced", "add /root"});
    const Lines said = lines_of(ran.err);
    CHECK(said.size() == 9);
    CHECK(said.back() == "sheaf: 8 names were left out as unsafe or damaged");
    CHECK(ran.err.find("/nul\\x00byte: its name has a NUL byte\n") != std::string::npos);
    CHECK(ran.err.find("/out: the link leads out of the folder\n") != std::string::npos);
    CHECK(ran.err.find("/there/x: a part of its path is a link in the folder\n") != std::string::npos);
    CHECK(tree_of(disk.out) == Tree{{"/good", "good"},
                                    {"/replaced", "mine"},
                                    {"/root", "-> " + disk.out.string() + "/good"},
                                    {"/there", "-> ../outside"}});
    CHECK(tree_of(disk.folder.path() / "outside") == Tree{{"/x", "x"}});

    const Ran unsafe = co_await disk.run(world, "--unsafe-links");
    CHECK(unsafe.code == 4);
    CHECK(unsafe.out == "add /out\n");
    CHECK(fs::read_symlink(disk.out / "out") == "../outside");
  };
  world.run(story());
}

TEST_CASE("a name of several archives is an error before anything is written, unless they are told apart") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    std::vector<std::string> keys;
    for (const std::string label : {"one", "two"}) {
      Written archive;
      archive.put("/same", label);
      archive.put("/only " + label, label);
      archive.link("/link", "/same");
      keys.push_back(co_await archive.clone_to_b(world, label));
    }
    Ran ran = co_await disk.run(world);
    CHECK(ran.code == 1);
    CHECK(ran.out == "");
    for (const std::string& key : keys) CHECK(ran.err.find("/same@" + key) != std::string::npos);
    CHECK(!fs::exists(disk.out));

    ran = co_await disk.run(world, "--by-link");
    CHECK(ran.code == 0);
    const auto sides = [&](const std::string& key, const std::string& label) {
      const fs::path root = disk.out / key;
      CHECK(tree_of(root) ==
            Tree{{"/same", label}, {"/only " + label, label}, {"/link", "-> " + root.string() + "/same"}});
    };
    sides(keys[0], "one");
    sides(keys[1], "two");
    CHECK((co_await disk.run(world, "--by-link --prune")).out == "");

    fs::remove_all(disk.out);
    write_file(disk.folder.path() / "outside/x", "x");
    fs::create_directory(disk.out);
    fs::create_symlink("../outside", disk.out / keys[0]);
    ran = co_await disk.run(world, "--by-link --prune");
    CHECK(ran.code == 4);
    CHECK(tree_of(disk.folder.path() / "outside") == Tree{{"/x", "x"}});
    sides(keys[1], "two");

    fs::remove_all(disk.out);
    ran = co_await disk.run(world, "--link " + keys[1].substr(0, 10));
    CHECK(ran.code == 0);
    CHECK(read_file(disk.out / "same") == "two");
    CHECK((co_await disk.run(world, "--link 000000")).code == 3);
  };
  world.run(story());
}

TEST_CASE("an older version is exported as it was") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/a", "first");
    archive.put("/a", "second");
    const std::string key = co_await archive.clone_to_b(world, "one");
    CHECK((co_await disk.run(world, "--link " + key + " --checkout 2")).code == 0);
    CHECK(read_file(disk.out / "a") == "first");
    CHECK((co_await disk.run(world)).out == "change /a\n");
    CHECK(read_file(disk.out / "a") == "second");
    CHECK((co_await disk.run(world, "--link " + key + " --checkout 9")).code == 3);
  };
  world.run(story());
}

TEST_CASE("--max-bytes counts over all files in the order of their names") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/a", "1234");
    archive.put("/b", "12345678");
    archive.put("/c", "123456");
    co_await archive.clone_to_b(world, "one");
    const Ran ran = co_await disk.run(world, "--max-bytes 10");
    CHECK(ran.code == 1);
    CHECK(ran.out == "add /a\nadd /c\n");
    CHECK(ran.err == "sheaf: /b: it is more than --max-bytes leaves room for\nsheaf: 1 name was left out\n");
  };
  world.run(story());
}

TEST_CASE("the folder of the store and its keys is no place for entries") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/store/keys", "evil");
    archive.put("/x", "x");
    co_await archive.clone_to_b(world, "one");
    write_file(disk.store / "keys", "secret");
    disk.out = disk.store / "below";
    Ran ran = co_await disk.run(world);
    CHECK(ran.code == 1);
    CHECK(ran.err.find("it lies in the folder of the store") != std::string::npos);
    disk.out = disk.folder.path();
    ran = co_await disk.run(world, "--prune");
    CHECK(ran.code == 4);
    CHECK(ran.out == "add /x\n");
    CHECK(tree_of(disk.store) == Tree{{"/keys", "secret"}});
  };
  world.run(story());
}

TEST_CASE("what is not here is said, and prunes nothing") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    CHECK((co_await disk.run(world)).code == 3);  // no archive at all
    Written archive;
    archive.put("/a", "a");
    archive.put("/b", "b");
    const std::string key = co_await archive.write_at_a(world, "one");
    CHECK((co_await world.call(world.b, "add " + key)).code == 0);
    write_file(disk.out / "mine", "mine");
    Ran ran = co_await disk.run(world, "--prune");
    CHECK(ran.code == 6);
    CHECK(ran.err.find(key + ": nothing of it is here") != std::string::npos);
    CHECK(tree_of(disk.out) == Tree{{"/mine", "mine"}});

    // The whole tree of entries is here, of the contents one file.
    const std::string address = co_await world.serve_a();
    for (int block = 0; block < 3; ++block) {
      const std::string get = "core get " + key + " " + std::to_string(block) + " --peer " + address;
      CHECK((co_await world.call(world.b, get)).code == 0);
    }
    CHECK((co_await world.call(world.b, "read b --peer " + address)).code == 0);
    ran = co_await disk.run(world);
    CHECK(ran.code == 6);
    CHECK(ran.out == "add /b\n");
    CHECK(lines_of(ran.err).front().starts_with("sheaf: /a: "));
    CHECK(lines_of(ran.err).back() == "sheaf: 1 name was left out: not all of it is here");
  };
  world.run(story());
}

TEST_CASE("a folder that cannot be made is an error that names it") {
  World world;
  Disk disk;
  const auto story = [&]() -> asio::awaitable<void> {
    Written archive;
    archive.put("/a", "a");
    co_await archive.clone_to_b(world, "one");
    write_file(disk.out, "a file");
    const Ran ran = co_await disk.run(world);
    CHECK(ran.code == 1);
    CHECK(ran.err.starts_with("sheaf: " + disk.out.string() + ": "));
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::test
