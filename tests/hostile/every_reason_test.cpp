// Each way in which a session can end is brought about by a case of this suite; a green suite has seen them
// all.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "sheaf/protocol/session_end.hpp"
#include "tests/support/places.hpp"

using namespace sheaf;

namespace {

std::string cases() {
  std::string out;
  const auto folder = test::source_folder() / "tests" / "hostile";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.path().string().ends_with("_test.cpp") || entry.path().filename() == "every_reason_test.cpp")
      continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    out += text.str();
  }
  std::erase_if(out, [](char c) { return c == ' ' || c == '\n'; });
  return out;
}

}  // namespace

TEST_CASE("every reason for a session's end is produced by a hostile case") {
  const std::string text = cases();
  for (std::size_t i = 0; i < session_end_count; ++i) {
    const auto reason = static_cast<SessionEnd>(i);
    const std::string name = "SessionEnd::" + std::string(to_string(reason));
    CAPTURE(name);
    CHECK((text.find("==" + name) != std::string::npos || text.find("(" + name + ")") != std::string::npos));
  }
}
