// Entries of strangers written into a folder of the disk: what appears, what is left alone, what is refused.
#include <atomic>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

#include <doctest/doctest.h>

#include "engine/peer_node/files/disk_directory.hpp"
#include "engine/peer_node/files/prune.hpp"
#include "tests/peer_node/files_support.hpp"
#include "tests/support/memory_files.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::peer_node::files {
namespace {

namespace fs = std::filesystem;
using Opening = DiskDirectory::Opening;
using test::file_entry;
using test::link_entry;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

// A folder to write into, and beside it one that must stay as it is.
struct World {
  test::ScratchFolder scratch;
  fs::path dest = scratch / "dest";
  fs::path outside = scratch / "outside";
  Opening opening = Opening::best;
  ExportRules rules;

  World() {
    fs::create_directory(dest);
    fs::create_directory(outside);
    write(outside / "canary", "untouched");
    fs::create_directory(outside / "sub");
    rules.root = dest.string();
  }

  TargetFolder target() { return TargetFolder(DiskDirectory::at(dest, false, opening).value(), rules); }
  std::string put(const test::PutEntry& entry) {
    TargetFolder into = target();
    return test::put(into, entry);
  }

  // Every path below, with what it is and what it holds.
  static std::map<std::string, std::string> tree(const fs::path& root) {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string name = entry.path().lexically_relative(root).string();
      if (entry.is_symlink())
        out[name] = "-> " + fs::read_symlink(entry.path()).string();
      else if (entry.is_directory())
        out[name] = "/";
      else
        out[name] = read(entry.path());
    }
    return out;
  }
  bool outside_is_untouched() const {
    return tree(outside) == std::map<std::string, std::string>{{"canary", "untouched"}, {"sub", "/"}};
  }
};

std::string text(SkipReason reason) { return std::string(to_string(reason)); }

struct Ways {
  std::string name;
  Opening opening;
};
const Ways ways[] = {{"openat2", Opening::best}, {"part by part", Opening::without_openat2}};

TEST_CASE("a file appears with its contents, its executable bit and its time") {
  for (const auto& way : ways) {
    CAPTURE(way.name);
    World world;
    world.opening = way.opening;
    CHECK(world.put(file_entry("/a/b/c.txt", "hello", false, 1'600'000'000'123)) == "add");
    CHECK(world.put(file_entry("/run", "#!", true)) == "add");
    CHECK(world.put(file_entry("/empty", "")) == "add");
    CHECK(read(world.dest / "a/b/c.txt") == "hello");
    struct stat about {};
    REQUIRE(::stat((world.dest / "a/b/c.txt").c_str(), &about) == 0);
    CHECK(about.st_mtim.tv_sec == 1'600'000'000);
    CHECK(about.st_mtim.tv_nsec == 123'000'000);
    CHECK((about.st_mode & 07111) == 0);
    REQUIRE(::stat((world.dest / "run").c_str(), &about) == 0);
    CHECK((about.st_mode & 07100) == 0100);
    CHECK(fs::file_size(world.dest / "empty") == 0);
    CHECK(World::tree(world.dest).size() == 5);  // no temporary name is left
  }
}

TEST_CASE("a second time nothing is done, and only what differs is written") {
  World world;
  const auto first = file_entry("/a", "hello", false, 1000);
  CHECK(world.put(first) == "add");
  CHECK(world.put(first) == "");
  CHECK(world.put(file_entry("/a", "HELLO", false, 1000)) == "");  // size and time are trusted
  world.rules.checksum = true;
  CHECK(world.put(file_entry("/a", "HELLO", false, 1000)) == "change");
  world.rules.checksum = false;
  CHECK(read(world.dest / "a") == "HELLO");
  struct stat before {
  }, after{};
  ::stat((world.dest / "a").c_str(), &before);
  CHECK(world.put(file_entry("/a", "HELLO", true, 2000)) == "change");
  ::stat((world.dest / "a").c_str(), &after);
  CHECK(after.st_ino == before.st_ino);  // its bits and time were set, its contents not written again
  CHECK((after.st_mode & 0100) != 0);
  CHECK(after.st_mtim.tv_sec == 2);
  CHECK(world.put(file_entry("/a", "HELLO", true)) == "");  // an entry without a time leaves it
  CHECK(link_entry("/l", "a").facts.link_text == "a");
  CHECK(world.put(link_entry("/l", "a")) == "add");
  CHECK(world.put(link_entry("/l", "a")) == "");
  CHECK(world.put(link_entry("/l", "/a")) == "change");
  CHECK(world.put(link_entry("/l", "/a")) == "");
  CHECK(fs::read_symlink(world.dest / "l") == world.dest / "a");
}

TEST_CASE("times that no file system holds are no reason to do without the file") {
  World world;
  for (const Milliseconds time :
       {std::numeric_limits<Milliseconds>::max(), std::numeric_limits<Milliseconds>::min(), Milliseconds{-1},
        Milliseconds{9'007'199'254'740'991}})
    CHECK(world.put(file_entry("/t" + std::to_string(time), "x", false, time)) == "add");
}

TEST_CASE("a link at the place is replaced and never followed") {
  for (const auto& way : ways) {
    CAPTURE(way.name);
    World world;
    world.opening = way.opening;
    fs::create_symlink("../outside/canary", world.dest / "a");
    fs::create_symlink("../outside", world.dest / "b");
    fs::create_symlink("nowhere", world.dest / "c");
    CHECK(world.put(file_entry("/a", "mine")) == "change");
    CHECK(world.put(file_entry("/b", "mine")) == "change");
    CHECK(world.put(link_entry("/c", "a")) == "change");
    CHECK(read(world.dest / "a") == "mine");
    CHECK(fs::is_regular_file(fs::symlink_status(world.dest / "b")));
    CHECK(world.outside_is_untouched());
  }
}

TEST_CASE("45 symlink_escape: nothing is written through a link on the way, whoever put it there") {
  for (const auto& way : ways) {
    CAPTURE(way.name);
    World world;
    world.opening = way.opening;
    world.rules.unsafe_links = true;
    fs::create_directory_symlink("../outside", world.dest / "out");
    TargetFolder target = world.target();
    CHECK(test::put(target, file_entry("/out/canary", "evil")) == text(SkipReason::under_link));
    CHECK(test::put(target, file_entry("/out/sub/new", "evil")) == text(SkipReason::under_link));
    CHECK(test::put(target, link_entry("/out/sub/l", "x")) == text(SkipReason::under_link));
    // The same by an entry of the archive itself.
    CHECK(test::put(target, link_entry("/evil", "../outside")) == "add");
    CHECK(test::put(target, file_entry("/evil/canary", "evil")) == text(SkipReason::under_link));
    CHECK(test::put(target, file_entry("/fine", "fine")) == "add");
    CHECK(world.outside_is_untouched());
  }
}

TEST_CASE("a link that leads out is skipped, unless --unsafe-links") {
  World world;
  CHECK(world.put(link_entry("/l", "../outside/canary")) == text(SkipReason::leaves_folder));
  CHECK(world.put(link_entry("/d/l", "/../outside")) == text(SkipReason::leaves_folder));
  CHECK(World::tree(world.dest).empty());
  world.rules.unsafe_links = true;
  CHECK(world.put(link_entry("/l", "../outside/canary")) == "add");
  CHECK(fs::read_symlink(world.dest / "l") == "../outside/canary");
}

TEST_CASE("two harmless links do not add up to one that leads out") {
  World world;
  CHECK(world.put(link_entry("/here", ".")) == "add");
  // By its names "here/.." is the folder itself; followed, it is the one above.
  CHECK(world.put(link_entry("/up", "here/..")) == text(SkipReason::leaves_folder));
  // What is not there may still become a link, perhaps under a name that this file system takes for the same.
  CHECK(world.put(link_entry("/up", "later/..")) == text(SkipReason::leaves_folder));
  CHECK(world.put(file_entry("/file", "x")) == "add");
  CHECK(world.put(link_entry("/up", "file/..")) == text(SkipReason::leaves_folder));
  fs::create_directory(world.dest / "later");
  CHECK(world.put(link_entry("/up", "later/..")) == "add");
  CHECK(world.put(link_entry("/later", ".")) == text(SkipReason::folder_in_the_way));
}

TEST_CASE("a dry run takes what is absent for a folder that it would have made") {
  World world;
  world.rules.dry_run = true;
  TargetFolder target = world.target();
  const ExportedEntry link{std::get<EntryPath>(path_of_entry("/up")), link_entry("/up", "later/..").facts};
  const auto looked = target.look(link);
  REQUIRE(looked.has_value());
  CHECK(std::get<Verdict>(*looked) == Verdict::add);
  CHECK(World::tree(world.dest).empty());
}

TEST_CASE("what cannot stand beside what is there is reported, and the rest goes on") {
  World world;
  fs::create_directory(world.dest / "folder");
  write(world.dest / "folder/kept", "kept");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string at = (world.dest / "socket").string();
  REQUIRE(at.size() < sizeof address.sun_path);
  std::copy(at.begin(), at.end(), address.sun_path);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(socket);
  REQUIRE(::mkfifo((world.dest / "pipe").c_str(), 0600) == 0);
  TargetFolder target = world.target();
  CHECK(test::put(target, file_entry("/a", "file")) == "add");
  CHECK(test::put(target, file_entry("/a/b", "below it")) == text(SkipReason::under_file));
  CHECK(test::put(target, file_entry("/folder", "x")) == text(SkipReason::folder_in_the_way));
  CHECK(test::put(target, link_entry("/folder", "x")) == text(SkipReason::folder_in_the_way));
  CHECK(test::put(target, file_entry("/pipe", "x")) == text(SkipReason::special_in_the_way));
  CHECK(test::put(target, file_entry("/socket", "x")) == text(SkipReason::special_in_the_way));
  CHECK(test::put(target, file_entry("/z", "last")) == "add");
  CHECK(read(world.dest / "folder/kept") == "kept");
  CHECK(read(world.dest / "a") == "file");
}

TEST_CASE("an entry without contents has no place in a folder") {
  World world;
  test::PutEntry entry = file_entry("/m", "");
  entry.facts.kind = Facts::Kind::neither;
  CHECK(world.put(entry) == text(SkipReason::no_contents));
}

TEST_CASE("the folder of the store is never written into, by whatever name") {
  World world;
  fs::create_directories(world.dest / ".sheaf/inner");
  write(world.dest / ".sheaf/keys", "secret");
  world.rules.store = DiskDirectory::at(world.dest / ".sheaf", false).value()->identity();
  CHECK(world.put(file_entry("/.sheaf/keys", "evil")) == text(SkipReason::own_folder));
  CHECK(world.put(file_entry("/.sheaf/inner/x", "evil")) == text(SkipReason::own_folder));
  CHECK(world.put(file_entry("/.sheaf", "evil")) == text(SkipReason::folder_in_the_way));
  CHECK(read(world.dest / ".sheaf/keys") == "secret");
}

TEST_CASE("the other names of a hard link keep what they have") {
  World world;
  write(world.outside / "linked", "same");
  ::chmod((world.outside / "linked").c_str(), 0644);
  fs::create_hard_link(world.outside / "linked", world.dest / "a");
  CHECK(world.put(file_entry("/a", "same", true, 5000)) == "change");
  struct stat about {};
  ::stat((world.outside / "linked").c_str(), &about);
  CHECK((about.st_mode & 0111) == 0);
  CHECK(about.st_mtim.tv_sec != 5);
  CHECK(world.put(file_entry("/a", "diff", true, 5000)) == "");  // by size and time
  fs::remove(world.dest / "a");
  fs::create_hard_link(world.outside / "linked", world.dest / "a");
  CHECK(world.put(file_entry("/a", "other")) == "change");
  CHECK(read(world.outside / "linked") == "same");
}

TEST_CASE("--max-bytes and the floor of free space let entries through while there is room") {
  World world;
  world.rules.most_bytes = 10;
  TargetFolder target = world.target();
  CHECK(test::put(target, file_entry("/a", "12345678")) == "add");
  CHECK(test::put(target, file_entry("/b", "123")) == text(SkipReason::over_max_bytes));
  CHECK(test::put(target, file_entry("/c", "12")) == "add");
  CHECK(test::put(target, file_entry("/d", "")) == "add");
  test::PutEntry huge = file_entry("/huge", "");
  huge.facts.bytes = std::uint64_t{1} << 53;
  CHECK(test::put(target, huge) == text(SkipReason::over_max_bytes));
  World full;
  full.rules.free_bytes = std::numeric_limits<std::uint64_t>::max();
  CHECK(full.put(file_entry("/a", "x")) == text(SkipReason::disk_full));
  CHECK(full.put(link_entry("/l", "x")) == text(SkipReason::disk_full));
  World bomb;
  CHECK(bomb.put(huge) == text(SkipReason::disk_full));
}

TEST_CASE("a temporary file that was left over goes with the next run, one that is being written stays") {
  World world;
  fs::create_directory(world.dest / "sub");
  write(world.dest / "sub" / temporary_name(1), "half");
  write(world.dest / "sub" / temporary_name(2), "being written");
  fs::create_symlink("x", world.dest / "sub" / temporary_name(3));
  write(world.dest / "sub/.sheaf-part-mine", "a user's");
  const Descriptor busy(::open((world.dest / "sub" / temporary_name(2)).c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::flock(busy.get(), LOCK_EX) == 0);
  CHECK(world.put(file_entry("/sub/a", "x")) == "add");
  const auto left = World::tree(world.dest / "sub");
  CHECK(left.size() == 3);
  CHECK(left.contains(temporary_name(2)));
  CHECK(left.contains(".sheaf-part-mine"));
}

TEST_CASE("a file that is given up leaves nothing, and what was there stays") {
  World world;
  write(world.dest / "a", "old");
  TargetFolder target = world.target();
  const ExportedEntry entry{std::get<EntryPath>(path_of_entry("/a")),
                            {Facts::Kind::file, 100, false, {}, {}}};
  {
    auto begun = target.begin(entry);
    auto file = std::move(std::get<std::unique_ptr<NewFile>>(begun.value()));
    CHECK(file->write(as_bytes("half")).has_value());
    CHECK(World::tree(world.dest).size() == 2);
    CHECK(read(world.dest / "a") == "old");
  }
  CHECK(World::tree(world.dest) == std::map<std::string, std::string>{{"a", "old"}});
}

// Case 45 of the hostile suite: a folder on the way becomes a link between check and use, again and again.
TEST_CASE("45 symlink_escape: a link that is swapped in at any moment leads nobody out") {
  constexpr int swaps = 10'000;
  for (const auto& way : ways) {
    CAPTURE(way.name);
    World world;
    world.opening = way.opening;
    fs::create_directory(world.dest / "sub");
    fs::create_directory_symlink(world.outside, world.scratch / "lure");
    std::atomic<int> swapped = 0;
    std::thread swapper([&] {
      const std::string sub = (world.dest / "sub").string(), lure = world.scratch / "lure";
      // The folder and the link change places at once, so that there is always one of them.
      while (swapped < swaps)
        if (::renameat2(AT_FDCWD, sub.c_str(), AT_FDCWD, lure.c_str(), RENAME_EXCHANGE) == 0) ++swapped;
    });
    std::size_t written = 0, refused = 0, tries = 0;
    while (swapped < swaps || tries < 200) {
      TargetFolder target = world.target();  // no handle of an earlier turn helps
      const std::string outcome = test::put(target, file_entry("/sub/f" + std::to_string(tries++ % 50), "x"));
      written += outcome.empty() || outcome == "add" || outcome == "change";
      refused += outcome == text(SkipReason::under_link);
    }
    swapper.join();
    CHECK(world.outside_is_untouched());
    CHECK(written > 0);
    MESSAGE(way.name, ": ", swaps, " swaps, ", written, " files written, ", refused, " refused");
  }
}

TEST_CASE("--prune removes files and links that no entry is, and folders that become empty by it") {
  World world;
  fs::create_directories(world.dest / "a/b");
  fs::create_directories(world.dest / "empty");
  fs::create_directories(world.dest / ".sheaf");
  write(world.dest / ".sheaf/keys", "secret");
  write(world.dest / "a/b/old", "x");
  write(world.dest / "a/b" / temporary_name(7), "half");
  write(world.dest / "keep", "x");
  write(world.dest / "gone", "x");
  fs::create_directory_symlink("../outside", world.dest / "link");
  const auto prune = [&](bool dry_run) {
    const std::shared_ptr<Directory> root = DiskDirectory::at(world.dest, false).value();
    WalkRules rules;
    rules.never = DiskDirectory::at(world.dest / ".sheaf", false).value()->identity();
    Prune pruning(
        root, rules, [](const std::string& path) { return path == "/keep"; }, dry_run);
    std::vector<std::string> removed;
    for (auto next = pruning.next(); next.value(); next = pruning.next()) {
      CHECK((*next)->how.has_value());
      removed.push_back((*next)->path);
    }
    return removed;
  };
  const std::vector<std::string> expected{"/a/b/old", "/gone", "/link"};
  const auto before = World::tree(world.dest);
  CHECK(prune(true) == expected);
  CHECK(World::tree(world.dest) == before);
  CHECK(prune(false) == expected);
  CHECK(World::tree(world.dest) ==
        std::map<std::string, std::string>{
            {".sheaf", "/"}, {".sheaf/keys", "secret"}, {"empty", "/"}, {"keep", "x"}});
  CHECK(world.outside_is_untouched());
}

TEST_CASE("of a large folder only the names that are to go are held") {
  const auto files = std::make_shared<test::MemoryFiles>();
  const auto root = std::make_shared<test::MemoryDirectory>(files, files->top);
  std::vector<test::PutEntry> entries;
  for (int i = 0; i < 1'000; ++i) entries.push_back(file_entry("/flat/" + std::to_string(i), "x"));
  const auto put_all = [&] {
    std::size_t written = 0;
    TargetFolder target(root, {});
    for (const auto& entry : entries) written += test::put(target, entry).empty() ? 0 : 1;
    return written;
  };
  CHECK(put_all() == entries.size());
  const auto flat = files->top->children.at("flat");
  files->make(flat, "stray", FileKind::file);
  files->make(flat, "other", FileKind::link);
  CHECK(put_all() == 0);
  Prune pruning(
      root, {}, [](const std::string& path) { return path.find_first_of("0123456789") != path.npos; }, false);
  std::vector<std::string> removed;
  for (auto next = pruning.next(); next.value(); next = pruning.next()) removed.push_back((*next)->path);
  CHECK(removed == std::vector<std::string>{"/flat/other", "/flat/stray"});
  CHECK(flat->children.size() == entries.size());
  CHECK(files->most_listed == 2);
}

}  // namespace
}  // namespace sheaf::peer_node::files
