// Folders of the disk as tests write them and look at them.
#pragma once

#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <doctest/doctest.h>

namespace sheaf::test {

namespace fs = std::filesystem;
using Tree = std::map<std::string, std::string>;  // path -> contents, or "-> text" of a link
using Lines = std::vector<std::string>;

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const fs::path& path, const std::string& contents) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << contents;
}

inline Tree tree_of(const fs::path& root) {
  Tree tree;
  if (!fs::exists(root)) return tree;
  for (const auto& one : fs::recursive_directory_iterator(root)) {
    const std::string name = "/" + one.path().lexically_relative(root).string();
    if (one.is_symlink())
      tree[name] = "-> " + fs::read_symlink(one.path()).string();
    else if (one.is_regular_file())
      tree[name] = read_file(one.path());
  }
  return tree;
}

inline bool is_executable(const fs::path& path) {
  return (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
}

inline std::int64_t milliseconds(const fs::path& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return static_cast<std::int64_t>(about.st_mtim.tv_sec) * 1000 + about.st_mtim.tv_nsec / 1'000'000;
}

inline Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline void set_time(const fs::path& path, std::int64_t milliseconds) {
  const timespec time{milliseconds / 1000, static_cast<long>(milliseconds % 1000) * 1'000'000};
  const timespec times[] = {time, time};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

}  // namespace sheaf::test
