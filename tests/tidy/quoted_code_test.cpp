// Code that a document shows is code that some test runs: each block occurs, but for how far it is indented,
// in a file that they compile or execute.
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

// Without what each line begins with.
std::string flush_left(const std::string& text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && c == ' ') continue;
    at_start = c == '\n';
    out += c;
  }
  return out;
}

bool occurs(const std::string& block, const fs::path& folder, std::string_view extension) {
  const std::string wanted = "\n" + flush_left(block);
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension &&
        flush_left(content(entry.path())).find(wanted) != std::string::npos)
      return true;
  return false;
}

}  // namespace

TEST_CASE("the code that documents show is in a file that the tests run") {
  const fs::path root = sheaf::test::source_folder();
  const auto check = [&](const char* document, const char* language, const fs::path& folder,
                         std::string_view extension) {
    const auto blocks = blocks_of(content(root / document), language);
    CHECK_MESSAGE(!blocks.empty(), document, " shows no ", language);
    for (const auto& block : blocks)
      CHECK_MESSAGE(occurs(block, root / folder, extension), document, " shows:\n", block);
  };
  check("README.md", "cpp", "docs/examples", ".cpp");
  check("README.md", "js", "tests/interop", ".mjs");
  check("docs/embedding.md", "cpp", "docs/examples", ".cpp");
}
