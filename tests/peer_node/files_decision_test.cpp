// What is to be done with one name, as a table.
#include <doctest/doctest.h>

#include "engine/peer_node/files/decision.hpp"
#include "engine/peer_node/files/metadata_time.hpp"

namespace sheaf::peer_node::files {
namespace {

using Kind = Facts::Kind;

Facts file(std::uint64_t bytes, std::optional<Milliseconds> modified, bool executable = false) {
  return {Kind::file, bytes, executable, {}, modified};
}
Facts link(std::string text, std::optional<Milliseconds> modified = {}) {
  return {Kind::link, 0, false, std::move(text), modified};
}
const Facts bare{Kind::neither, 0, false, {}, {}};
const std::optional<Facts> nothing;

TEST_CASE("size, time, executable bit and link text decide; contents where they do not") {
  struct Row {
    const char* what;
    Facts from;
    std::optional<Facts> to;
    Verdict verdict;
    Verdict with_checksum;
  };
  using enum Verdict;
  const Row rows[] = {
      {"nothing there", file(1, 5), nothing, add, add},
      {"a link where nothing is", link("/a"), nothing, add, add},
      {"all equal", file(1, 5), file(1, 5), same, compare},
      {"other size", file(1, 5), file(2, 5), change, change},
      {"other time", file(1, 5), file(1, 6), compare, compare},
      {"other bit", file(1, 5, true), file(1, 5, false), compare, compare},
      {"no time to hold against", file(1, {}), file(1, 6), compare, compare},
      {"no time there", file(1, 5), file(1, {}), compare, compare},
      {"empty files without times", file(0, {}), file(0, {}), compare, compare},
      {"a link over a file", link("/a"), file(2, 5), change, change},
      {"a file over a link", file(2, 5), link("/a"), change, change},
      {"a file over an entry without contents", file(0, 5), bare, change, change},
      {"the same link", link("/a"), link("/a"), same, same},
      {"the same link at another time", link("/a", 5), link("/a", 6), same, same},
      {"another link", link("/a"), link("/b"), change, change},
  };
  for (const Row& row : rows) {
    CHECK_MESSAGE(decide(row.from, row.to, false) == row.verdict, row.what);
    CHECK_MESSAGE(decide(row.from, row.to, true) == row.with_checksum, row.what);
  }
}

TEST_CASE("after the comparison only a difference is written") {
  using enum Verdict;
  CHECK(after_comparing(file(1, 5), file(1, 6), false) == change);
  CHECK(after_comparing(file(1, 5), file(1, 6), true) == attributes);
  CHECK(after_comparing(file(1, 5, true), file(1, 5), true) == attributes);
  CHECK(after_comparing(file(1, {}), file(1, 6), true) == same);
  CHECK(after_comparing(file(1, {}, true), file(1, 6), true) == attributes);
  CHECK(after_comparing(file(1, 5), file(1, 5), true) == same);
}

TEST_CASE("a file's time goes into metadata that is null or an object, beside what is there") {
  CHECK(metadata_with_time("null", 5) == R"({"mtime":5})");
  CHECK(metadata_with_time("{}", -1) == R"({"mtime":-1})");
  CHECK(metadata_with_time(R"({"z":[1.5,"é"],"mtime":1,"a":null})", 2) ==
        R"({"z":[1.5,"é"],"mtime":2,"a":null})");
  for (const char* other : {"\"text\"", "7", "[]", "true", "no JSON"})
    CHECK_FALSE(metadata_with_time(other, 5));
}

}  // namespace
}  // namespace sheaf::peer_node::files
