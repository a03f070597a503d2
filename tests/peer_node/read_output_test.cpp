// `read -o FILE`: what is in the file afterwards, and what is not.
#include <filesystem>

#include "tests/peer_node/command_world.hpp"
#include "tests/support/folder_tree.hpp"

namespace sheaf::test {
namespace {

namespace fs = std::filesystem;

TEST_CASE("read -o puts contents into a file at once and whole, or leaves what was there") {
  CommandWorld world;
  const TemporaryFolder folder;
  const auto story = [&]() -> asio::awaitable<void> {
    const std::string large(300'000, 'l');
    auto archive = co_await world.a.node->init_archive();
    REQUIRE(archive.has_value());
    REQUIRE((co_await archive->put("large", as_bytes(large))).has_value());
    REQUIRE((co_await archive->put("small", as_bytes(std::string_view("small")))).has_value());
    const std::string key = to_string(archive->key());
    const std::string address = co_await world.serve_a();
    CHECK((co_await world.call(world.b, "add " + key)).code == 0);
    const auto read = [&](const std::string& what) {
      return world.call(world.b, "read " + what + " --timeout 0.5");
    };
    const std::string out = (folder.path() / "out").string();

    Ran ran = co_await read("small -o " + out + " --peer " + address);
    CHECK(ran.code == 0);
    CHECK(ran.out.empty());
    CHECK(tree_of(folder.path()) == Tree{{"/out", "small"}});
    // Its first blocks are here, the others are not.
    CHECK((co_await read("large --length 1000 --peer " + address)).out == large.substr(0, 1'000));
    ran = co_await read("large -o " + out);
    CHECK(ran.code == exit_code::no_peer);
    CHECK(tree_of(folder.path()) == Tree{{"/out", "small"}});
    CHECK((co_await read("large --offset 299000 -o " + out + " --peer " + address)).code == 0);
    CHECK(tree_of(folder.path()) == Tree{{"/out", large.substr(299'000)}});

    // Through a link to what it leads to; into what is no file; and - is stdout.
    fs::create_directory(folder.path() / "sub");
    fs::create_symlink("../out", folder.path() / "sub/link");
    CHECK((co_await read("small -o " + (folder.path() / "sub/link").string())).code == 0);
    CHECK(tree_of(folder.path()) == Tree{{"/out", "small"}, {"/sub/link", "-> ../out"}});
    CHECK((co_await read("small -o /dev/null")).code == 0);
    CHECK(fs::is_character_file("/dev/null"));
    CHECK((co_await read("small -o -")).out == "small");

    ran = co_await read("small -o " + folder.path().string());
    CHECK(ran.code == exit_code::failed);
    ran = co_await read("small -o " + (folder.path() / "none/out").string());
    CHECK(ran.code == exit_code::not_found);
    CHECK(ran.err.starts_with("sheaf: " + (folder.path() / "none/out").string() + ": "));
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::test
