#include "storage/key_schema.hpp"

#include <doctest/doctest.h>

#include "sheaf/protocol/random_source.hpp"

namespace sheaf::test {
namespace {

std::string text(const keys::Key& key) { return std::string(as_text(key)); }
bool holds(const keys::Span& span, const keys::Key& key) {
  return text(span.first) <= text(key) && text(key) < text(span.end);
}

}  // namespace

TEST_CASE("keys are laid out as the header says") {
  CHECK(to_hex(keys::format()) == "0100");
  CHECK(to_hex(keys::next_core_id()) == "0101");
  CHECK(to_hex(keys::identity()) == "0102");
  CHECK(to_hex(keys::core_name("abc")) == "03616263");
  CHECK(to_hex(keys::unsynced({5})) == "0400000005");
  CHECK(to_hex(keys::erasing({5})) == "0500000005");
  CHECK(to_hex(keys::manifest({0x01020304})) == "100102030400");
  CHECK(to_hex(keys::head({1})) == "100000000101");
  CHECK(to_hex(keys::held({1})) == "100000000102");
  CHECK(to_hex(keys::sweep({1})) == "100000000103");
  CHECK(to_hex(keys::page({1}, 0x0203)) == "1000000001040000000000000203");
  CHECK(to_hex(keys::node({1}, {0x0203})) == "1000000001050000000000000203");
  CHECK(to_hex(keys::conflict({1})) == "100000000106");
  CHECK(to_hex(keys::block({1}, {0x0203})) == "20000000010000000000000203");
}

TEST_CASE("a key says what lies there, and a block's key whose it is") {
  const auto role = [](Bytes key) { return keys::traits_of(key).role; };
  for (const keys::Key& key : {keys::format(), keys::core_name("abc"), keys::head({1}), keys::node({1}, {2})})
    CHECK(role(key) == Traits::Role::state);
  CHECK(role({}) == Traits::Role::state);
  CHECK(role(keys::all_values().first) == Traits::Role::value);
  CHECK(role(keys::block({0x01020304}, {5})) == Traits::Role::block);
  CHECK(keys::traits_of(keys::block({0x01020304}, {5})).core == CoreId{0x01020304});
  CHECK(!keys::traits_of(keys::head({1})).core);
}

TEST_CASE("keys of indexes sort as the indexes do") {
  const auto random = seeded_random(1);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t a = random->below(std::uint64_t{1} << (1 + random->below(53)));
    const std::uint64_t b = random->below(std::uint64_t{1} << (1 + random->below(53)));
    CHECK((a < b) == (text(keys::node({1}, {a})) < text(keys::node({1}, {b}))));
    CHECK((a < b) == (text(keys::block({1}, {a})) < text(keys::block({1}, {b}))));
    CHECK(keys::last_u64(keys::block({1}, {a})) == a);
  }
  CHECK(keys::last_u32(keys::erasing({77})) == 77);
}

TEST_CASE("spans hold what is theirs and nothing of a neighbour") {
  for (const std::uint32_t id : {0u, 1u, 255u, 256u, 0xfffffffeu, 0xffffffffu}) {
    const CoreId core{id};
    const CoreId other{id == 0 ? 1 : id - 1};
    for (const keys::Key& key :
         {keys::manifest(core), keys::head(core), keys::sweep(core), keys::page(core, 9),
          keys::node(core, {max_wire_integer}), keys::conflict(core)}) {
      CHECK(holds(keys::all_state(core), key));
      CHECK(!holds(keys::all_state(other), key));
      CHECK(!holds(keys::all_blocks(core), key));
    }
    CHECK(holds(keys::all_blocks(core), keys::block(core, {max_wire_integer})));
    CHECK(!holds(keys::all_blocks(other), keys::block(core, {0})));
    CHECK(holds(keys::pages_from(core, 2), keys::page(core, 2)));
    CHECK(!holds(keys::pages_from(core, 2), keys::page(core, 1)));
    CHECK(!holds(keys::pages_from(core, 0), keys::node(core, {0})));
    CHECK(holds(keys::nodes_from(core, {4}), keys::node(core, {max_wire_integer})));
    CHECK(!holds(keys::nodes_from(core, {4}), keys::node(core, {3})));
    CHECK(!holds(keys::nodes_from(core, {0}), keys::conflict(core)));
    CHECK(!holds(keys::blocks(core, {2}, {5}), keys::block(core, {5})));
    CHECK(holds(keys::blocks(core, {2}, {5}), keys::block(core, {4})));
    CHECK(holds(keys::all_erasing(), keys::erasing(core)));
    CHECK(holds(keys::all_unsynced(), keys::unsynced(core)));
    CHECK(!holds(keys::all_unsynced(), keys::erasing(core)));
  }
  CHECK(holds(keys::all_records(), keys::core_record(DiscoveryKey{})));
  CHECK(!holds(keys::all_records(), keys::core_name("x")));
}

}  // namespace sheaf::test
