// The walk over a folder that is imported: order, what is passed over and why.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/peer_node/files/disk_directory.hpp"
#include "engine/peer_node/files/folder_walk.hpp"
#include "tests/support/memory_files.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::peer_node::files {
namespace {

namespace fs = std::filesystem;

struct Walked {
  std::vector<std::string> paths;
  std::vector<std::string> passed_over;  // "path: reason"
  std::size_t empty_folders = 0;
};

Walked walk(std::shared_ptr<Directory> root, WalkRules rules = {}) {
  FolderWalk walk(std::move(root), std::move(rules));
  Walked walked;
  for (;;) {
    const auto found = walk.next();
    REQUIRE(found.has_value());
    if (!*found) break;
    if (const auto* reason = std::get_if<SkipReason>(&(*found)->is))
      walked.passed_over.push_back((*found)->path + ": " + std::string(to_string(*reason)));
    else if (const auto* error = std::get_if<Error>(&(*found)->is))
      walked.passed_over.push_back((*found)->path + ": " + error->message());
    else
      walked.paths.push_back((*found)->path);
  }
  walked.empty_folders = walk.empty_folders();
  return walked;
}

std::shared_ptr<Directory> disk(const std::string& path) { return DiskDirectory::at(path, false).value(); }

void write(const std::string& path, const std::string& contents) { std::ofstream(path) << contents; }

TEST_CASE("files come in the order of their whole paths, as entries do") {
  const test::ScratchFolder folder;
  std::vector<std::string> names{"a/b", "a-b",    "a.txt", "a/B", "b",     "Z",
                                 "a0",  "a/b0/x", "a/b-1", "é",   "日/本", "\xf0\x9f\x98\x80"};
  for (const auto& name : names) {
    if (name == "a/b") continue;  // it is a folder of another
    fs::create_directories(fs::path(folder / name).parent_path());
    write(folder / name, name);
  }
  std::erase(names, "a/b");
  std::sort(names.begin(), names.end());
  CHECK(walk(disk(folder / ".")).paths == names);
}

TEST_CASE("sizes, times, bits and links are told; what no archive holds is passed over with its reason") {
  const test::ScratchFolder folder;
  write(folder / "file", "12345");
  fs::create_symlink("file", folder / "link");
  fs::create_directory_symlink(".", folder / "loop");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  write(folder / ".sheaf-part-0123456789abcdef", "half");
  fs::create_directories(folder / "empty/inside");
  const Walked walked = walk(disk(folder / "."));
  CHECK(walked.paths == std::vector<std::string>{"file", "link", "loop"});
  CHECK(walked.passed_over ==
        std::vector<std::string>{"pipe: " + std::string(to_string(SkipReason::unknown_kind))});
  CHECK(walked.empty_folders == 2);
}

TEST_CASE("what is excluded is not entered, and makes no folder count as empty") {
  const test::ScratchFolder folder;
  fs::create_directories(folder / "build/deep");
  write(folder / "build/deep/x", "");
  fs::create_directories(folder / "src");
  write(folder / "src/a.o", "");
  write(folder / "src/a.c", "");
  WalkRules rules;
  rules.exclude = Exclusions({"/build", "*.o"});
  const Walked walked = walk(disk(folder / "."), rules);
  CHECK(walked.paths == std::vector<std::string>{"src/a.c"});
  CHECK(walked.empty_folders == 0);
}

TEST_CASE("the folder of the store is not entered, by whatever name it lies there") {
  const test::ScratchFolder folder;
  fs::create_directories(folder / "x/store/root");
  write(folder / "x/store/keys", "secret");
  write(folder / "x/other", "");
  WalkRules rules;
  rules.never = disk(folder / "x/store")->identity();
  CHECK(walk(disk(folder / "."), rules).paths == std::vector<std::string>{"x/other"});
}

TEST_CASE("a folder that cannot be read is reported, and the rest goes on") {
  if (::geteuid() == 0) return;  // whom nothing is closed to
  const test::ScratchFolder folder;
  fs::create_directories(folder / "closed");
  ::chmod((folder / "closed").c_str(), 0);
  write(folder / "open", "");
  const Walked walked = walk(disk(folder / "."));
  CHECK(walked.paths == std::vector<std::string>{"open"});
  REQUIRE(walked.passed_over.size() == 1);
  CHECK(walked.passed_over[0].starts_with("closed: "));
}

TEST_CASE("a tree that is too deep is passed over below the depth that an entry may have") {
  auto files = std::make_shared<test::MemoryFiles>();
  test::MemoryNodePtr at = files->top;
  for (int i = 0; i < 200; ++i) at = files->make(at, "d", FileKind::folder);
  files->make(at, "x", FileKind::file);
  const Walked walked = walk(std::make_shared<test::MemoryDirectory>(files, files->top));
  CHECK(walked.paths.empty());
  REQUIRE(walked.passed_over.size() == 1);
  CHECK(walked.passed_over[0].ends_with(to_string(SkipReason::too_deep)));
}

}  // namespace
}  // namespace sheaf::peer_node::files
