// The values of applications in a folder's store: apart from what the node keeps there, and within their
// bounds.
#include "sheaf/storage/value_keys.hpp"

#include <doctest/doctest.h>

#include "sheaf/protocol/key.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "storage/key_schema.hpp"

namespace sheaf::test {
namespace {

std::string listed(Backend& store, const KeyRange& range) {
  const ValueRange values(range);
  auto cursor = store.iterate(values.stored());
  REQUIRE(cursor);
  std::string out;
  while ((*cursor)->next().value()) out += std::string(as_text(key_of_value((*cursor)->key()).value())) + " ";
  return out;
}

// With the lowest and the highest keys that a node has on either side.
std::unique_ptr<Backend> store_of(const std::vector<std::string>& keys) {
  auto store = memory_backend();
  REQUIRE(store->open());
  for (const std::string& key : keys) REQUIRE(store->put(value_key(as_bytes(key)), {}, {}, Durable::no));
  const keys::Key around[] = {keys::format(), keys::head({1}), keys::block({UINT32_MAX}, {UINT64_MAX})};
  for (const keys::Key& key : around) REQUIRE(store->put(key, {}, {}, Durable::no));
  REQUIRE(store->put(keys::all_values().end, {}, {}, Durable::no));
  return store;
}

}  // namespace

TEST_CASE("a value's key is the application's behind one byte") {
  CHECK(to_hex(value_key(as_bytes("abc"))) == "30616263");
  CHECK(as_text(key_of_value(value_key(as_bytes("abc"))).value()) == "abc");
}

TEST_CASE("no key of the node is one of a value, and the other way round") {
  const keys::Key of_node[] = {keys::format(),          keys::identity(),
                               keys::primary_key(),     keys::unsynced({7}),
                               keys::core_name("0abc"), keys::head({0x30303030}),
                               keys::node({1}, {5}),    keys::block({0x30303030}, {0x30})};
  for (const keys::Key& key : of_node) CHECK(!key_of_value(key));
  const auto block = block_of_key(keys::block({7}, {1ull << 40}));
  REQUIRE(block.has_value());
  CHECK(block->core == 7);
  CHECK(block->index == 1ull << 40);
  CHECK(!block_of_key(value_key(as_bytes("123456789012"))));
  CHECK(!block_of_key(keys::head({7})));
  CHECK(!block_of_key({}));
  CHECK(!key_of_value({}));
  CHECK(!key_of_value(Bytes(keys::all_values().first)));  // a value has a key
}

TEST_CASE("a range of values holds nothing of the node, whatever its bounds") {
  const std::string last(3, '\xff');
  const auto store = store_of({"a", "b", "c", last});
  CHECK(listed(*store, {}) == "a b c " + last + " ");
  CHECK(listed(*store, {.reverse = true}) == last + " c b a ");
  CHECK(listed(*store, {.gt = as_bytes("a"), .lt = as_bytes("c")}) == "b ");
  CHECK(listed(*store, {.gte = as_bytes("a"), .lte = as_bytes("b")}) == "a b ");
  CHECK(listed(*store, {.gt = as_bytes("b")}) == "c " + last + " ");
  CHECK(listed(*store, {.lt = as_bytes("b"), .limit = 5}) == "a ");
  CHECK(listed(*store, {.gt = as_bytes(last)}) == "");
  CHECK(listed(*store, {.reverse = true, .limit = 1}) == last + " ");
}

}  // namespace sheaf::test
