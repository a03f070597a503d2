// Code that a document shows is code that some test runs: each block occurs, letter for letter, in a file
// that is compiled or executed by them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/places.hpp"

namespace fs = std::filesystem;

namespace {

std::string content(const fs::path& path) {
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.is_open(), path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The fenced blocks of a document that say they are of this language.
std::vector<std::string> blocks_of(const std::string& document, const std::string& language) {
  const std::string opening = "\n```" + language + "\n";
  constexpr std::string_view closing = "\n```\n";
  std::vector<std::string> blocks;
  std::size_t at = document.find(opening);
  while (at != std::string::npos) {
    const std::size_t begin = at + opening.size();
    const std::size_t end = document.find(closing, begin);
    REQUIRE_MESSAGE(end != std::string::npos, "a block does not end");
    blocks.push_back(document.substr(begin, end + 1 - begin));
    at = document.find(opening, end);
  }
  return blocks;
}

bool occurs(const std::string& block, const fs::path& folder, std::string_view extension) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension && content(entry.path()).find(block) != std::string::npos)
      return true;
  return false;
}

}  // namespace

TEST_CASE("the code that the README shows is in a file that the tests run") {
  const fs::path root = sheaf::test::source_folder();
  const std::string readme = content(root / "README.md");
  const auto cpp = blocks_of(readme, "cpp");
  const auto js = blocks_of(readme, "js");
  CHECK(cpp.size() >= 1);
  CHECK(js.size() >= 1);
  for (const auto& block : cpp)
    CHECK_MESSAGE(occurs(block, root / "docs" / "examples", ".cpp"), "README.md shows:\n", block);
  for (const auto& block : js)
    CHECK_MESSAGE(occurs(block, root / "tests" / "interop", ".mjs"), "README.md shows:\n", block);
}
