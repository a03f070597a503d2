// How texts of strangers are shown.
#include "engine/peer_node/commands/output.hpp"

#include <string>

#include <doctest/doctest.h>

namespace sheaf::peer_node {
namespace {

TEST_CASE("what a terminal shows is shown as it is") {
  for (const char* text :
       {"", "/hello.txt", "/ sp ", "/\xc3\xa9", "/\xe6\x97\xa5\xe6\x9c\xac", "/\xf0\x9f\x98\x80", "\xc2\xa0"})
    CHECK(printable(text) == text);
}

TEST_CASE("what a terminal would obey is escaped byte by byte") {
  const std::pair<std::string, std::string> cases[] = {
      {"\x1b[2J", "\\x1b[2J"},
      {"a\nb\r\t", "a\\x0ab\\x0d\\x09"},
      {"\x7f", "\\x7f"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\xc2\x9b"
       "2J",
       "\\xc2\\x9b2J"},  // CSI as one character
      {"\xe2\x80\xae"
       "txt.exe",
       "\\xe2\\x80\\xaetxt.exe"},  // right to left from here
      {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
      {"\xe2\x80\x8f", "\\xe2\\x80\\x8f"},
      {"\xd8\x9c", "\\xd8\\x9c"},
      {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
      {"\x9b", "\\x9b"},  // not UTF-8
      {"a\xff"
       "b\xc3",
       "a\\xffb\\xc3"},
  };
  for (const auto& [text, shown] : cases) CHECK(printable(text) == shown);
}

}  // namespace
}  // namespace sheaf::peer_node
