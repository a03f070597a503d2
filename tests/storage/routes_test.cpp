// Routes: conditions, targets that a value names itself, and what is no route.
#include "sheaf/storage/routes.hpp"

#include <map>
#include <stdexcept>

#include <doctest/doctest.h>

namespace sheaf::test {
namespace {

using Labels = std::vector<std::string>;

Labels taken(std::vector<Route> routes, std::string_view value, Traits::Role role = Traits::Role::value) {
  const auto mapper = route_mapper(std::move(routes), {"a", "b"});
  return mapper->labels(as_bytes(value), {.role = role, .size = value.size()});
}

}  // namespace

TEST_CASE("the first route whose conditions all hold takes the value") {
  const std::vector<Route> routes{
      {.min_size = 4, .max_size = 6, .to = {"a"}},
      {.role = Traits::Role::block, .to = {"b"}},
      {.min_size = 4, .role = Traits::Role::value, .to = {"a", "b"}},
  };
  CHECK(taken(routes, "123").empty());
  CHECK(taken(routes, "1234") == Labels{"a"});
  CHECK(taken(routes, "123456") == Labels{"a"});
  CHECK(taken(routes, "1234567") == Labels{"a", "b"});
  CHECK(taken(routes, "1234567", Traits::Role::block) == Labels{"b"});
  CHECK(taken(routes, "123", Traits::Role::block) == Labels{"b"});
  CHECK(taken({}, "anything").empty());
}

TEST_CASE("a JSON member is there, is equal, or is one of several") {
  const std::vector<Route> there{{.json = "/kind", .to = {"a"}}};
  CHECK(taken(there, R"({"kind":null})") == Labels{"a"});
  CHECK(taken(there, R"({"other":1})").empty());
  CHECK(taken(there, "no JSON").empty());
  CHECK(taken(there, "").empty());
  const std::vector<Route> equal{{.json = "/tags/1", .equals = R"({"x":1})", .to = {"a"}}};
  CHECK(taken(equal, R"({"tags":[0,{"x":1}]})") == Labels{"a"});
  CHECK(taken(equal, R"({"tags":[{"x":1},0]})").empty());
  const std::vector<Route> one_of{{.json = "", .one_of = {"1", "\"two\""}, .to = {"a"}}};
  CHECK(taken(one_of, "1") == Labels{"a"});
  CHECK(taken(one_of, "\"two\"") == Labels{"a"});
  CHECK(taken(one_of, "2").empty());
}

TEST_CASE("a value names its stores; where it names none that exist the next route is tried") {
  const std::vector<Route> routes{{.json = "/stores", .to_json = "/stores"}, {.min_size = 1, .to = {"b"}}};
  CHECK(taken(routes, R"({"stores":["a","b"]})") == Labels{"a", "b"});
  CHECK(taken(routes, R"({"stores":"a"})") == Labels{"a"});
  CHECK(taken(routes, R"({"stores":["nowhere","a",7]})") == Labels{"a"});
  CHECK(taken(routes, R"({"stores":["root"]})") == Labels{"root"});
  CHECK(taken(routes, R"({"stores":[]})") == Labels{"b"});
  CHECK(taken(routes, R"({"stores":["nowhere"]})") == Labels{"b"});
  CHECK(taken(routes, R"({"stores":7})") == Labels{"b"});
  CHECK(taken(routes, "text") == Labels{"b"});
}

namespace {

constexpr char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0";
const std::string image(png, sizeof png - 1);

class Owners final : public ArchiveOfCore {
 public:
  std::optional<CoreKey> archive_of(CoreId core) override {
    ++asked;
    const auto known = keys.find(core);
    return known == keys.end() ? std::nullopt : std::optional(known->second);
  }
  std::map<CoreId, CoreKey> keys;
  int asked = 0;
};

CoreKey key_of(char letter) { return CoreKey::from(Buffer(CoreKey::size, static_cast<std::byte>(letter))); }

}  // namespace

TEST_CASE("a value's content type is what its first bytes say, alone or by its family") {
  const std::vector<Route> one{{.content_types = {"image/png"}, .to = {"a"}}};
  CHECK(taken(one, image) == Labels{"a"});
  CHECK(taken(one, image, Traits::Role::block) == Labels{"a"});
  CHECK(taken(one, "GIF89a\1\0\1\0\x80\0\0").empty());
  CHECK(taken(one, "").empty());
  const std::vector<Route> several{{.content_types = {"IMAGE/*", "text/html"}, .to = {"a"}},
                                   {.content_types = {"text/*"}, .to = {"b"}}};
  CHECK(taken(several, image) == Labels{"a"});
  CHECK(taken(several, "<!DOCTYPE html><html><head></head></html>") == Labels{"a"});
  CHECK(taken(several, "plain words, and nothing else") == Labels{"b"});
  CHECK(taken(several, std::string(100, '\0')).empty());
}

TEST_CASE("of a value only the beginning is looked at for its content type") {
  const std::vector<Route> json{{.content_types = {"application/json"}, .to = {"a"}}};
  const auto list = [](std::size_t bytes) { return "[\"" + std::string(bytes - 4, 'x') + "\"]"; };
  CHECK(taken(json, list(content_type_bytes)) == Labels{"a"});
  CHECK(taken(json, list(content_type_bytes + 1)).empty());  // cut off, it is none
}

TEST_CASE("a route by content type takes its other conditions, too") {
  const std::vector<Route> routes{
      {.min_size = 100, .role = Traits::Role::value, .content_types = {"image/png"}, .to = {"a"}}};
  CHECK(taken(routes, image).empty());
  CHECK(taken(routes, image + std::string(100, 'x')) == Labels{"a"});
  CHECK(taken(routes, image + std::string(100, 'x'), Traits::Role::block).empty());
}

TEST_CASE("blocks of the named archives take their route, and nobody else's") {
  auto owners = std::make_unique<Owners>();
  owners->keys = {{CoreId{1}, key_of('x')}, {CoreId{2}, key_of('x')}, {CoreId{3}, key_of('y')}};
  Owners& asked = *owners;
  const auto mapper = route_mapper({{.min_size = 4, .archives = {key_of('x'), key_of('z')}, .to = {"a"}},
                                    {.archives = {key_of('y')}, .to = {"b"}}},
                                   {"a", "b"}, std::move(owners));
  const auto of = [&](std::optional<CoreId> core, Traits::Role role = Traits::Role::block) {
    return mapper->labels(as_bytes("bytes"), {.role = role, .core = core, .size = 5});
  };
  CHECK(of(CoreId{1}) == Labels{"a"});
  CHECK(of(CoreId{2}) == Labels{"a"});
  CHECK(of(CoreId{3}) == Labels{"b"});
  CHECK(of(CoreId{4}).empty());
  asked.asked = 0;
  CHECK(of(std::nullopt).empty());
  CHECK(of(CoreId{1}, Traits::Role::value).empty());
  CHECK(mapper->labels(as_bytes("x"), {.role = Traits::Role::block, .size = 1}).empty());
  CHECK(asked.asked == 0);
}

TEST_CASE("values that are too large or nested too deep are not looked into") {
  const std::vector<Route> routes{{.json = "/a", .to = {"a"}}, {.min_size = 0, .to = {"b"}}};
  CHECK(taken(routes, R"({"a":")" + std::string(json_bytes_most, 'x') + "\"}") == Labels{"b"});
  CHECK(taken(routes, R"({"a":)" + std::string(500'000, '[') + std::string(400'000, ']') + "}") ==
        Labels{"b"});
  CHECK(taken(routes, R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}") == Labels{"b"});
  CHECK(taken(routes, R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}") == Labels{"a"});
}

TEST_CASE("what is no route is refused when the mapper is made") {
  const auto made = [](Route route) { return route_mapper({std::move(route)}, {"a"}); };
  CHECK_THROWS_AS(made({.json = "no slash", .to = {"a"}}), std::invalid_argument);
  CHECK_THROWS_AS(made({.json = "/a", .equals = "{", .to = {"a"}}), std::invalid_argument);
  CHECK_THROWS_AS(made({.equals = "1", .to = {"a"}}), std::invalid_argument);
  CHECK_THROWS_AS(made({.min_size = 1}), std::invalid_argument);
  CHECK_THROWS_AS(made({.to = {"a"}, .to_json = "/a"}), std::invalid_argument);
  CHECK_THROWS_AS(made({.json = "/a", .equals = "1", .one_of = {"2"}, .to = {"a"}}), std::invalid_argument);
  CHECK_THROWS_AS(made({.min_size = 2, .max_size = 1, .to = {"a"}}), std::invalid_argument);
  for (const char* type :
       {"", "png", "image", "image/", "/png", "image/png; q=1", "image/p*", "*/*", "a b/c"})
    CHECK_THROWS_AS(made({.content_types = {type}, .to = {"a"}}), std::invalid_argument);
  CHECK_THROWS_AS(made({.archives = {key_of('x')}, .to = {"a"}}), std::invalid_argument);  // who knows them?
  CHECK(made({.min_size = 1, .to = {"a"}})->targets() == Labels{"a"});
}

TEST_CASE("a mapper says which route took a value, and which of its conditions the value answers how") {
  auto owners = std::make_unique<Owners>();
  owners->keys = {{CoreId{1}, key_of('x')}};
  const auto mapper =
      route_mapper({{.min_size = 1'000, .max_size = 2'000, .to = {"a"}, .name = "both"},
                    {.min_size = 2'000, .role = Traits::Role::value, .to = {"a"}, .name = "large"},
                    {.archives = {key_of('y'), key_of('x')}, .to = {"a"}, .name = "archive"},
                    {.max_size = 4, .role = Traits::Role::block, .to = {"b"}, .name = "little"},
                    {.json = "/kind", .one_of = {"7", R"("note")"}, .to = {"a"}, .name = "kind"},
                    {.json = "/stores", .to_json = "/stores", .name = "told"},
                    {.json = "", .equals = "true", .to = {"b"}},
                    {.content_types = {"text/html", "image/*"}, .to = {"a"}, .name = "pictures"},
                    {.role = Traits::Role::block, .to = {"b"}, .name = "blocks"},
                    {.json = "/left", .to = {"b"}, .name = "left"},
                    {.json = "/rest", .to = {"nowhere"}, .name = "leads nowhere"},
                    {.json = "/rest", .to = {"a"}, .name = "rest"}},
                   {"a", "b"}, std::move(owners));
  const auto why = [&](std::string_view value, const Traits& traits = {}) {
    return mapper->why(as_bytes(value), traits);
  };
  constexpr Traits block{.role = Traits::Role::block, .core = CoreId{2}};
  constexpr Traits owned{.role = Traits::Role::block, .core = CoreId{1}};
  CHECK(why(std::string(1'500, 'x')) == "both: its 1500 bytes are from 1000 to 2000");
  CHECK(why(std::string(2'500, 'x')) == "large: its 2500 bytes are at least 2000, its role is value");
  CHECK(why("any", owned) == "archive: its archive is " + to_string(key_of('x')));
  CHECK(why("any", block) == "little: its 3 bytes are at most 4, its role is block");
  CHECK(why(R"({"kind":"note"})") == R"(kind: /kind is "note")");
  CHECK(why(R"({"kind":7})") == "kind: /kind is 7");
  CHECK(why(R"({"stores":["b","c","a"]})") == "told: /stores is there; /stores names b, a");
  CHECK(why("true") == "the whole value is true");
  CHECK(why(image) == "pictures: its content type is image/png, one of image/*");
  CHECK(why("<!DOCTYPE html><html><head></head></html>") == "pictures: its content type is text/html");
  CHECK(why("five words, and no more", block) == "blocks: its role is block");
  CHECK(why(R"({"left":null})") == "left: /left is there");
  CHECK(why(R"({"rest":1})") == "rest: /rest is there");
  CHECK(why("1").empty());
  const auto all = route_mapper({{.to = {"a"}, .name = "the route at line 7"}}, {"a"});
  CHECK(all->why(as_bytes("1"), {}) == "the route at line 7: it asks for nothing");
}

}  // namespace sheaf::test
