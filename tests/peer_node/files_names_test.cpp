// Names and link texts of strangers: what becomes a path, and what is refused with which reason.
#include <string>

#include <doctest/doctest.h>

#include "engine/peer_node/files/entry_path.hpp"
#include "engine/peer_node/files/exclusions.hpp"
#include "engine/peer_node/files/link_text.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::peer_node::files {
namespace {

std::string shown(const std::variant<EntryPath, SkipReason>& path) {
  if (const auto* reason = std::get_if<SkipReason>(&path)) return std::string(to_string(*reason));
  return std::get<EntryPath>(path).text();
}

std::string refused(SkipReason reason) { return std::string(to_string(reason)); }

EntryPath path(std::string_view name) { return std::get<EntryPath>(path_of_entry(name)); }

TEST_CASE("44 name_traversal: a name is taken as it is, or refused with its reason") {
  using enum SkipReason;
  const auto nul = std::string("/a") + '\0' + "b";
  const std::pair<std::string, std::string> cases[] = {
      {"/a", "/a"},
      {"/a/b.txt", "/a/b.txt"},
      {"/...", "/..."},
      {"/..a", "/..a"},
      {"/.hidden", "/.hidden"},
      {"/ sp ", "/ sp "},
      {"/日本/😀.txt", "/日本/😀.txt"},
      {"/notes:/x", "/notes:/x"},
      {"/\x1b[2J\xe2\x80\xae", "/\x1b[2J\xe2\x80\xae"},  // a file system takes it; a terminal does not see it
      {"/\xff", "/\xff"},
      {"", refused(not_absolute)},
      {"a", refused(not_absolute)},
      {"../x", refused(not_absolute)},
      {"\\a", refused(not_absolute)},
      {"/", refused(not_normal)},
      {"//", refused(not_normal)},
      {"//etc/x", refused(not_normal)},
      {"/a//b", refused(not_normal)},
      {"/a/", refused(not_normal)},
      {"/.", refused(not_normal)},
      {"/..", refused(not_normal)},
      {"/../../evil", refused(not_normal)},
      {"/a/../../x", refused(not_normal)},
      {"/a/./b", refused(not_normal)},
      {"/a\\b", refused(not_normal)},
      {"/..\\x", refused(not_normal)},
      {nul, refused(nul_in_name)},
      {"/" + std::string(255, 'a'), "/" + std::string(255, 'a')},
      {"/" + std::string(256, 'a'), refused(part_too_long)},
      {"/.sheaf-part-0123456789abcdef", refused(reserved)},
      {"/a/.sheaf-part-0123456789abcdef/b", refused(reserved)},
      {"/.sheaf-part-0123456789abcdeF", "/.sheaf-part-0123456789abcdeF"},
  };
  for (const auto& [name, outcome] : cases) CHECK(shown(path_of_entry(name)) == outcome);
}

TEST_CASE("a path has at most 4096 bytes and 128 parts") {
  std::string deep;
  for (int i = 0; i < 128; ++i) deep += "/d";
  CHECK(shown(path_of_entry(deep)) == deep);
  CHECK(shown(path_of_entry(deep + "/d")) == refused(SkipReason::too_deep));
  std::string levels;
  for (int i = 0; i < 5000; ++i) levels += "/d";
  CHECK(shown(path_of_entry(levels)) == refused(SkipReason::path_too_long));
  std::string longest;
  for (int i = 0; i < 16; ++i) longest += "/" + std::string(255, 'x');
  REQUIRE(longest.size() == 4096);
  CHECK(shown(path_of_entry(longest)) == longest);
  CHECK(shown(path_of_entry(longest + "/y")) == refused(SkipReason::path_too_long));
}

TEST_CASE("only names that are their own normal form pass, held against the recorded ones") {
  for (const auto& vector : test::vectors("drive/paths.json")["normalise"]) {
    const auto name = vector["input"].get<std::string>();
    const bool is_normal = vector["output"] == name;
    const auto taken = path_of_entry(name);
    if (!is_normal) CHECK_MESSAGE(std::holds_alternative<SkipReason>(taken), name);
    // The one normal name that no folder can hold has a NUL.
    if (is_normal && name.find('\0') == std::string::npos) CHECK(shown(taken) == name);
  }
}

TEST_CASE("a file keeps its name in an archive, or is refused") {
  using enum SkipReason;
  CHECK(shown(path_of_file("a/b")) == "/a/b");
  CHECK(shown(path_of_file("c:")) == "/c:");
  CHECK(shown(path_of_file("x/notes:/y")) == "/x/notes:/y");
  CHECK(shown(path_of_file("notes:/x")) == refused(not_normal));  // a drive would take it for a scheme
  CHECK(shown(path_of_file("a\\b")) == refused(not_normal));
  CHECK(shown(path_of_file("\xff")) == refused(not_utf8));
  CHECK(shown(path_of_file("a/\xc3")) == refused(not_utf8));
}

TEST_CASE("UTF-8 is what the standard says it is") {
  for (const char* text : {"", "a", "é", "日本", "😀", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(text));
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                           "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff"})
    CHECK_FALSE(is_utf8(text));
}

std::string linked(std::string_view at, std::string_view text, bool unsafe = false) {
  const auto is_folder = [](const EntryPath& path) { return path.text() == "/d/x" || path.text() == "/d/a"; };
  const auto written = link_text_for_folder(path(at), text, "/dest", is_folder, unsafe);
  if (const auto* reason = std::get_if<SkipReason>(&written)) return std::string(to_string(*reason));
  return std::get<std::string>(written);
}

TEST_CASE("a link text stays in the folder") {
  const std::string out = refused(SkipReason::leaves_folder);
  CHECK(linked("/l", "a") == "a");
  CHECK(linked("/l", ".") == ".");
  CHECK(linked("/d/l", "../a") == "../a");
  CHECK(linked("/d/l", "..") == "..");
  CHECK(linked("/d/l", "x/../y") == "x/../y");
  CHECK(linked("/l", "..") == out);
  CHECK(linked("/d/l", "../../x") == out);
  CHECK(linked("/d/l", "a/../../../x") == out);
  // Behind a link ".." is not the folder that the text names; what is absent may become a link.
  CHECK(linked("/l", "link/x") == "link/x");
  CHECK(linked("/d/l", "../link/..") == out);
  CHECK(linked("/d/l", "../link/x/../y") == out);
  CHECK(linked("/d/l", "x/y/..") == out);
  // The way to the link itself is there when the link is put.
  CHECK(linked("/new/deep/l", "../../a") == "../../a");
  CHECK(linked("/new/deep/l", "../other/../a") == out);
}

TEST_CASE("links that are put last are those with a step up behind a name") {
  for (const char* text : {"", ".", "..", "../..", "a", "../a/b", "/a", "a/.", "a/...", "/../a", "./../a"})
    CHECK_FALSE(goes_down_and_up(text));
  for (const char* text : {"a/..", "../a/..", "/a/b/../c", "a/./..", "a//..", "a/b/.."})
    CHECK(goes_down_and_up(text));
}

TEST_CASE("an absolute link text is meant from the archive's root") {
  CHECK(linked("/d/l", "/etc/passwd") == "/dest/etc/passwd");
  CHECK(linked("/l", "/") == "/dest/");
  CHECK(linked("/l", "/../etc") == refused(SkipReason::leaves_folder));
  CHECK(linked("/l", "/link/..") == refused(SkipReason::leaves_folder));
}

TEST_CASE("with --unsafe-links a text that leads out is kept") {
  CHECK(linked("/l", "../x", true) == "../x");
  CHECK(linked("/l", "/../x", true) == "/dest/../x");
}

TEST_CASE("a link text that no file system takes is refused") {
  const std::string bad = refused(SkipReason::bad_link_text);
  CHECK(linked("/l", "") == bad);
  CHECK(linked("/l", std::string("a\0b", 3)) == bad);
  CHECK(linked("/l", std::string(4096, 'a')) == bad);
  CHECK(linked("/l", "/" + std::string(4094, 'a')) == bad);  // with the folder in front
}

TEST_CASE("import cuts the folder off a link text again, by whole parts") {
  const auto cut = [](std::string_view text) {
    return std::get<std::string>(link_text_for_archive(text, "/r"));
  };
  CHECK(cut("/r/a/b") == "/a/b");
  CHECK(cut("/r") == "/");
  CHECK(cut("/r/") == "/");
  CHECK(cut("/r2/x") == "/r2/x");
  CHECK(cut("/etc/passwd") == "/etc/passwd");
  CHECK(cut("../x") == "../x");
  CHECK(std::get<std::string>(link_text_for_archive("/a", "/")) == "/a");
  CHECK(std::get<SkipReason>(link_text_for_archive("\xff", "/r")) == SkipReason::bad_link_text);
}

TEST_CASE("--exclude is held against the last part, or against the whole path if it has a slash") {
  const Exclusions exclude({"*.o", "/build", "docs/*.txt", "tmp/", "node_modules"});
  CHECK(exclude.match("a.o", false));
  CHECK(exclude.match("deep/er/a.o", false));
  CHECK_FALSE(exclude.match("a.obj", false));
  CHECK(exclude.match("build", true));
  CHECK_FALSE(exclude.match("sub/build", true));
  CHECK(exclude.match("docs/a.txt", false));
  CHECK_FALSE(exclude.match("docs/sub/a.txt", false));
  CHECK_FALSE(exclude.match("sub/docs/a.txt", false));
  CHECK(exclude.match("sub/tmp", true));
  CHECK_FALSE(exclude.match("sub/tmp", false));
  CHECK(exclude.match_whole("a/node_modules/b/c.js"));
  CHECK(exclude.match_whole("build/x"));
  CHECK_FALSE(exclude.match_whole("src/build/x"));
  CHECK_FALSE(Exclusions({""}).match("a", false));
}

}  // namespace
}  // namespace sheaf::peer_node::files
