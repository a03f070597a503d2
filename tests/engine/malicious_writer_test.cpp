// Archives whose writer means harm: cases 46 and 47 of the hostile cases, at the archive itself. What their
// names may do to a folder is tested where names meet folders (tests/peer_node/files_*).
#include <doctest/doctest.h>

#include "tests/support/db_blocks.hpp"
#include "tests/support/gauge.hpp"
#include "tests/support/world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

struct Followed {
  explicit Followed(World& world, DbBlocks& tree)
      : writer(world.add()), reader(world.add()), key(written(world, tree)), archive(follow(world)) {
    world.join(reader, writer);
    const Version all{tree.blocks.size()};
    REQUIRE(world.until([&] { return world.run(archive.info())->version == all; }));
  }

  CoreKey written(World& world, DbBlocks& tree) {
    auto core = world.run(writer.create_core("db"));
    REQUIRE(core.has_value());
    const std::vector<Bytes> views(tree.blocks.begin(), tree.blocks.end());
    REQUIRE(world.run(core->append(views)).has_value());
    return core->key();
  }
  Archive follow(World& world) {
    auto followed = world.run(reader.follow_archive(key));
    REQUIRE(followed.has_value());
    return std::move(*followed);
  }

  Node& writer;
  Node& reader;
  CoreKey key;
  Archive archive;
};

std::string file_value(std::uint64_t block, std::uint64_t byte, std::uint64_t blocks, std::uint64_t bytes) {
  return R"({"executable":false,"linkname":null,"blob":{"blockOffset":)" + std::to_string(block) +
         R"(,"byteOffset":)" + std::to_string(byte) + R"(,"blockLength":)" + std::to_string(blocks) +
         R"(,"byteLength":)" + std::to_string(bytes) + R"(},"metadata":null})";
}

std::vector<Entry> all(World& world, Archive& archive, std::uint64_t* unreadable = nullptr) {
  ListOptions options;
  options.from = Core::From::here;
  auto entries = world.run(archive.list(options));
  REQUIRE(entries.has_value());
  std::vector<Entry> out;
  for (;;) {
    auto entry = world.run(entries->next());
    REQUIRE(entry.has_value());
    if (!*entry) break;
    out.push_back(std::move(**entry));
  }
  if (unreadable != nullptr) *unreadable = entries->unreadable();
  return out;
}

// A blobs core of three blocks: "abc", "de", "f".
CoreKey blobs(World& world, Node& node) {
  auto core = world.run(node.create_core("blobs"));
  REQUIRE(core.has_value());
  for (const char* text : {"abc", "de", "f"})
    REQUIRE(world.run(core->append(as_bytes(std::string_view(text)))).has_value());
  return core->key();
}

}  // namespace

TEST_CASE("46 size_bomb: an entry says what its blocks do not have; nothing is believed before it is there") {
  World world;
  Node& source = world.add();
  const CoreKey contents = blobs(world, source);
  DbBlocks tree(header_naming(contents));
  const std::uint64_t huge = 9007199254740991;
  const auto put = [&](const std::string& name, const std::string& value) {
    tree.put(name, as_bytes(value));
  };
  put("/honest", file_value(0, 0, 3, 6));
  put("/overlapping", file_value(1, 3, 2, 3));
  put("/too long", file_value(0, 0, 3, huge));
  put("/too short", file_value(0, 0, 3, 2));
  put("/behind the end", file_value(2, 5, 1'000'000, 1'000'000));
  put("/far away", file_value(huge - 1, huge - 1, 1, 1));
  put("/out of numbers", file_value(huge, 0, huge, 1));
  Followed followed(world, tree);
  world.join(followed.reader, source);
  REQUIRE(world.until([&] { return world.run(followed.archive.info())->bytes == ByteCount{6}; }));

  std::uint64_t unreadable = 0;
  const std::vector<Entry> entries = all(world, followed.archive, &unreadable);
  CHECK(unreadable == 1);  // the sum of its numbers is no block's
  CHECK(entries.size() == 6);
  const auto text = [&](const std::string& name) {
    auto contents_of = world.run(followed.archive.get(name, Core::From::here));
    return contents_of ? std::string(as_text(*contents_of)) : contents_of.error().message();
  };
  CHECK(text("honest") == "abcdef");
  CHECK(text("overlapping") == "def");
  CHECK(text("too short") == "ab");
  // Above what a caller takes into memory: refused before anything is read.
  CHECK(world.run(followed.archive.get("too long", Core::From::here)).error() == EngineErrc::out_of_range);
  auto reader = world.run(followed.archive.read("too long", {.from = Core::From::here}));
  REQUIRE(reader.has_value());
  std::string read;
  Result<Buffer> part = Buffer();
  while ((part = world.run(reader->next())) && !part->empty()) read += as_text(*part);
  CHECK(read == "abcdef");
  CHECK(part.error() == ProtocolErrc::malformed);
  CHECK(world.run(followed.archive.get("behind the end", Core::From::here)).has_error());
  CHECK(world.run(followed.archive.get("far away", Core::From::here)).has_error());
  CHECK(world.run(followed.archive.missing()).has_value());
  CHECK(text("honest") == "abcdef");
}

TEST_CASE("46 size_bomb: very many empty entries are listed by a stream that holds few of them") {
  World world;
  Node& node = world.add();
  auto archive = world.run(node.init_archive());
  REQUIRE(archive.has_value());
  auto batch = world.run(archive->batch());
  REQUIRE(batch.has_value());
  const std::size_t many = memory_is_telling ? 50'000 : 20'000;
  const auto put_all = [&]() -> awaitable<Result<Version>> {
    for (std::size_t i = 0; i < many; ++i)
      if (auto put = co_await batch->put("/" + std::to_string(i), {}); !put) co_return put.error();
    co_return co_await batch->flush();
  };
  REQUIRE(world.run(put_all()).has_value());
  const auto count_all = [&]() -> awaitable<Result<std::size_t>> {
    auto entries = co_await archive->list();
    if (!entries) co_return entries.error();
    std::size_t count = 0;
    for (;;) {
      auto entry = co_await entries->next();
      if (!entry) co_return entry.error();
      if (!*entry) co_return count;
      count += (*entry)->length == ByteCount{0};
    }
  };
  const std::size_t before = resident_bytes();
  forget_peak();
  CHECK(world.run(count_all()).value() == many);
  // As much for twenty times as many: what is kept is bounded (bee_cache), and far from the 64 MiB of the
  // case.
  if (memory_is_telling) CHECK(peak_bytes() - before <= 16 * 1024 * 1024);
}

TEST_CASE("47: odd times and deep metadata are shown as they are, or the entry is left out") {
  World world;
  Node& source = world.add();
  DbBlocks tree(header_naming(blobs(world, source)));
  const auto put = [&](const std::string& name, const std::string& metadata) {
    const std::string value =
        R"({"executable":false,"linkname":null,"blob":null,"metadata":)" + metadata + "}";
    tree.put(name, as_bytes(value));
  };
  put("/far future", R"({"mtime":9007199254740991})");
  put("/negative", R"({"mtime":-62135596800000})");
  put("/fraction", R"({"mtime":1.5})");
  put("/huge", R"({"mtime":1e308})");
  put("/text", R"({"mtime":"NaN"})");
  put("/deep", std::string(100'000, '[') + std::string(100'000, ']'));
  put("/nan", R"({"mtime":NaN})");
  Followed followed(world, tree);
  std::uint64_t unreadable = 0;
  std::vector<std::pair<std::string, std::optional<std::int64_t>>> times;
  for (const Entry& entry : all(world, followed.archive, &unreadable))
    times.emplace_back(entry.name, entry.mtime_ms);
  CHECK(times ==
        std::vector<std::pair<std::string, std::optional<std::int64_t>>>{{"/far future", 9007199254740991},
                                                                         {"/fraction", {}},
                                                                         {"/huge", {}},
                                                                         {"/negative", -62135596800000},
                                                                         {"/text", {}}});
  CHECK(unreadable == 2);
  CHECK(world.run(followed.archive.entry("deep", Core::From::here)).error() == ProtocolErrc::malformed);
}
