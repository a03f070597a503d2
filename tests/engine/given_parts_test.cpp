#include "engine/archive/given_parts.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

namespace sheaf {
namespace {

using Names = std::vector<std::string>;

std::string first_part(const std::string& name) { return name.substr(0, name.find('/')); }

// What is given of entries in this order, and what a set of all names would have given.
void check_as_a_set(const Names& entries) {
  GivenParts parts;
  std::set<std::string> all;
  for (const std::string& entry : entries) {
    INFO(entry);
    CHECK(parts.give(first_part(entry)) == all.insert(first_part(entry)).second);
  }
}

}  // namespace

TEST_CASE("each name below a folder is given once, also where files and folders share names") {
  Names entries{"a",    "a/x",   "a/y",  "a-",      "a-/x",      "a-1",  "a.txt", "a.txt/deep/x", "a.",
                "a./b", "ab",    "ab/x", "ab-c",    "ab-c/x",    "b/x",  "c",     "c!",           "c!/x",
                "c!!",  "c!!/x", "c/x",  "c\xff/x", "c\xff\x01", "d!/x", "d"};
  std::ranges::sort(entries);
  check_as_a_set(entries);
  std::ranges::reverse(entries);
  check_as_a_set(entries);
}

TEST_CASE("how many names are held does not grow with the folder") {
  GivenParts parts;
  for (int i = 100'000; i < 200'000; ++i) {
    REQUIRE(parts.give("file-" + std::to_string(i)));
    REQUIRE(parts.held() == 1);
  }
}

}  // namespace sheaf
