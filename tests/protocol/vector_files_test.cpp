// Every recorded file of tests/vectors is opened by a test, but those named here; one that no test names
// fails.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/places.hpp"

namespace fs = std::filesystem;

namespace {

void every_file_is_opened(const std::string& folder, const std::string& elsewhere = {}) {
  std::string tests;
  for (const auto& file : fs::recursive_directory_iterator(sheaf::test::source_folder() / "tests")) {
    if (file.path().extension() != ".cpp" || file.path().filename() == "vector_files_test.cpp") continue;
    std::ifstream in(file.path());
    tests.append(std::istreambuf_iterator<char>(in), {});
  }
  int files = 0;
  for (const auto& file : fs::directory_iterator(sheaf::test::vectors_folder() / folder)) {
    const std::string name = folder + "/" + file.path().filename().string();
    if (name == elsewhere || file.path().extension() != ".json") continue;
    CHECK_MESSAGE(tests.find(name) != std::string::npos, "no test opens ", name);
    ++files;
  }
  MESSAGE(files, " vector files of ", folder);
}

}  // namespace

TEST_CASE("every wire vector file is opened by a test") { every_file_is_opened("wire"); }
// mirror.json is about folders: it belongs to the tests of import and export, and counts as theirs.
TEST_CASE("every drive vector file is opened by a test") {
  every_file_is_opened("drive", "drive/mirror.json");
}
// members.json is about invites and membership, which do not exist yet; the programs beside are no vectors.
TEST_CASE("every coordinator vector file is opened by a test") {
  every_file_is_opened("coordinator", "coordinator/members.json");
}
