// Every recorded file of tests/vectors/wire is opened by a test; one that no test names fails here.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

namespace fs = std::filesystem;

TEST_CASE("every wire vector file is opened by a test") {
  std::string tests;
  for (const auto& file : fs::recursive_directory_iterator(SHEAF_SOURCE "/tests")) {
    if (file.path().extension() != ".cpp" || file.path().filename() == "vector_files_test.cpp") continue;
    std::ifstream in(file.path());
    tests.append(std::istreambuf_iterator<char>(in), {});
  }
  int files = 0;
  for (const auto& file : fs::directory_iterator(SHEAF_VECTORS "/wire")) {
    const std::string name = "wire/" + file.path().filename().string();
    CHECK_MESSAGE(tests.find(name) != std::string::npos, "no test opens ", name);
    ++files;
  }
  MESSAGE(files, " wire vector files");
}
