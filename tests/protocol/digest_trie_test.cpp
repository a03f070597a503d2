// The digest trie: recorded digests, a shape that depends on the set alone, its cost.
#include "protocol/digest_trie.hpp"

#include <algorithm>
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "tests/support/coordinator_vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

std::vector<KeyedHead> elements(std::uint64_t from, std::uint64_t to) {
  std::vector<KeyedHead> out;
  for (std::uint64_t n = from; n < to; ++n) out.push_back(vector_element(n));
  return out;
}

std::vector<CoreKey> keys_below(const DigestTrie& trie, const SlotPrefix& prefix, const Slot& from) {
  std::vector<CoreKey> out;
  trie.visit(prefix, from, [&](const Element& element) {
    out.push_back(element.key);
    return true;
  });
  return out;
}

}  // namespace

TEST_CASE("the tries of the vectors have the recorded digests and roots") {
  const auto& v = vectors("coordinator/vectors.json");
  const CoordinatorKeys keys(unhex_as<BundleSecret>(v["secretOfTheRest"]),
                             unhex_as<WideHash>(v["handshakeHash"]));
  CHECK(v["tries"].size() >= 8);
  for (const auto& each : v["tries"]) {
    const auto count = each["elements"].get<std::uint64_t>();
    CAPTURE(count);
    DigestTrie trie = trie_of(elements(0, count));
    CHECK(trie.size() == count);
    CHECK(to_string(trie.digest()) == each["digest"]);
    CHECK(to_string(keys.root(trie.digest(), trie.size())) == each["root"]);
  }
}

TEST_CASE("equal sets have equal digests whatever their history") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 30; ++round) {
    std::vector<KeyedHead> kept = elements(0, random() % 600);
    DigestTrie plain = trie_of(kept);

    DigestTrie used;
    std::vector<KeyedHead> script = kept;
    for (KeyedHead gone : elements(1000, 1000 + random() % 600)) script.push_back(gone);
    std::ranges::shuffle(script, random);
    for (const KeyedHead& element : script) {
      used.set(element.key, {element.fork.value + 1}, {1});
      if (random() % 8 == 0) used.digest();
    }
    std::ranges::shuffle(script, random);
    for (const KeyedHead& element : script) {
      const bool stays = std::ranges::find(kept, element) != kept.end();
      CHECK((stays ? used.set(element.key, element.fork, element.length) : used.remove(element.key)));
      if (random() % 8 == 0) used.digest();
    }
    CHECK(used.size() == plain.size());
    CHECK(used.node_count() == plain.node_count());
    CHECK(used.digest() == plain.digest());
  }
}

TEST_CASE("a prefix's digest, count and elements are those of a trie of these elements alone") {
  const auto all = elements(0, 700);
  DigestTrie trie = trie_of(all);
  std::mt19937_64 random(3);
  for (int round = 0; round < 400; ++round) {
    const KeyedHead& some = all[random() % all.size()];
    const SlotPrefix prefix(slot_of(some.key), random() % 7);
    std::vector<KeyedHead> below;
    for (const KeyedHead& each : all)
      if (prefix.covers(slot_of(each.key))) below.push_back(each);
    std::ranges::sort(below, {}, [](const KeyedHead& each) { return slot_of(each.key); });

    CHECK(trie.count(prefix) == below.size());
    if (below.size() <= DigestTrie::leaf_most) CHECK(trie.digest(prefix) == trie_of(below).digest());

    const std::size_t skip = random() % below.size();
    const auto keys = keys_below(trie, prefix, slot_of(below[skip].key));
    REQUIRE(keys.size() == below.size() - skip);
    for (std::size_t i = 0; i < keys.size(); ++i) CHECK(keys[i] == below[skip + i].key);
  }
  CHECK(keys_below(trie, SlotPrefix(slot_of(vector_element(5).key), 2), Slot{}).size() ==
        trie.count(SlotPrefix(slot_of(vector_element(5).key), 2)));
}

TEST_CASE("elements are found, changed and removed by key") {
  DigestTrie trie = trie_of(elements(0, 100));
  const KeyedHead five = vector_element(5);
  CHECK_FALSE(trie.set(five.key, five.fork, five.length));
  CHECK(trie.set(five.key, five.fork, {9000}));
  REQUIRE(trie.find(slot_of(five.key)));
  CHECK(trie.find(slot_of(five.key))->length == Length{9000});
  CHECK(trie.remove(five.key));
  CHECK_FALSE(trie.remove(five.key));
  CHECK(trie.find(slot_of(five.key)) == nullptr);
  CHECK(trie.size() == 99);
  for (std::uint64_t n = 0; n < 100; ++n) trie.remove(vector_element(n).key);
  CHECK(trie.size() == 0);
  CHECK(trie.digest() == Hash{});
  CHECK(trie.node_count() == 0);
}

TEST_CASE("100,000 archives cost about 115 bytes each, and a change five hashes") {
  DigestTrie trie = trie_of(elements(0, 100'000));
  trie.digest();
  CHECK(trie.hashes_made() == trie.node_count());
  CHECK(trie.memory_bytes() <= 120 * trie.size());
  MESSAGE("bytes an archive: ", static_cast<double>(trie.memory_bytes()) / 100'000.0,
          ", nodes: ", trie.node_count());
  const std::uint64_t before = trie.hashes_made();
  trie.set(vector_element(50'000).key, {9}, {1});
  trie.digest();
  CHECK(trie.hashes_made() - before <= 6);
}
