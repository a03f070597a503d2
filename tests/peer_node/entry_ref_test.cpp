// ENTRY, as users name one.
#include "engine/peer_node/commands/entry_ref.hpp"

#include <doctest/doctest.h>

namespace sheaf::peer_node {
namespace {

using Ref = std::optional<EntryRef>;
const std::string digits = "0123456789abcdef";
const std::string key = digits + digits + digits + digits;

TEST_CASE("an entry is a name, or a name at the beginning of a link") {
  CHECK(parse_entry_ref("cool.txt") == Ref({"cool.txt", ""}));
  CHECK(parse_entry_ref("cool.txt@" + key) == Ref({"cool.txt", key}));
  CHECK(parse_entry_ref("cool.txt@pear://" + key) == Ref({"cool.txt", key}));
  CHECK(parse_entry_ref("cool.txt@012345") == Ref({"cool.txt", "012345"}));
  CHECK(parse_entry_ref("a@b@012345") == Ref({"a@b", "012345"}));
}

TEST_CASE("an @ that no link follows belongs to the name") {
  for (const char* name : {"me@home", "a@01234", "a@", "@", "a@01234g", "a@012345 ", "a@ABCDEF"})
    CHECK(parse_entry_ref(name) == Ref({name, ""}));
  CHECK(parse_entry_ref("a@" + key + "0") == Ref({"a@" + key + "0", ""}));
}

TEST_CASE("an entry as list --json prints it needs its name and its link alone") {
  CHECK(parse_entry_ref(R"({"name":"/a","link":")" + key + R"(","length":7})") == Ref({"/a", key}));
  CHECK(parse_entry_ref(R"({"name":"a@012345"})") == Ref({"a@012345", ""}));
  for (const char* text :
       {"{", "{}", R"({"name":7})", R"({"name":"a","link":7})", R"({"name":"a","link":"x"})"})
    CHECK(!parse_entry_ref(text));
}

}  // namespace
}  // namespace sheaf::peer_node
