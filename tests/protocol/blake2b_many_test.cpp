#include "protocol/blake2b_many.hpp"

#include <doctest/doctest.h>

#include "protocol/signables.hpp"
#include "sheaf/protocol/random_source.hpp"

using namespace sheaf;
using crypto::HeadedMessage;
using crypto::Lanes;

namespace {

// Bodies of the given sizes, each with a head of its own, hashed in lanes and one by one.
void check_sizes(const std::vector<std::size_t>& sizes, std::size_t head_bytes, Lanes lanes) {
  const auto random = seeded_random(sizes.size() * 31 + head_bytes);
  std::vector<Buffer> bodies;
  std::vector<HeadedMessage> messages(sizes.size());
  for (const std::size_t size : sizes) random->fill(bodies.emplace_back(size));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    random->fill(messages[i].head);
    messages[i].head_bytes = head_bytes;
    messages[i].body = bodies[i];
  }
  std::vector<Hash> out(sizes.size());
  crypto::blake2b_many(messages, out, lanes);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CAPTURE(i);
    CAPTURE(sizes[i]);
    CHECK(out[i] == crypto::blake2b({Bytes(messages[i].head).first(head_bytes), bodies[i]}));
  }
}

// With all lanes that this processor has, and heads of none to all bytes.
template <class Check>
void in_all_ways(Check check) {
  for (const Lanes lanes : {Lanes::one, Lanes::four, Lanes::eight}) {
    if (lanes > crypto::widest_lanes()) continue;
    CAPTURE(static_cast<int>(lanes));
    for (const std::size_t head : {0u, 1u, 9u, 32u}) {
      CAPTURE(head);
      check(head, lanes);
    }
  }
}

}  // namespace

TEST_CASE("hashing side by side gives what hashing one by one gives") {
  SUBCASE("every size up to four blocks, so that neighbours end in different blocks") {
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i <= 4 * 128 + 1; ++i) sizes.push_back(i * 257 % 514);
    in_all_ways([&](std::size_t head, Lanes lanes) { check_sizes(sizes, head, lanes); });
  }
  SUBCASE("equal sizes around the ends of blocks, in full and in partial groups") {
    in_all_ways([](std::size_t head, Lanes lanes) {
      for (const std::size_t size :
           {0u, 95u, 96u, 97u, 118u, 119u, 120u, 127u, 128u, 129u, 247u, 248u, 256u, 65536u})
        for (const std::size_t count : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 17u})
          check_sizes(std::vector<std::size_t>(count, size), head, lanes);
    });
  }
  SUBCASE("one long message among short ones") {
    in_all_ways([](std::size_t head, Lanes lanes) {
      check_sizes({3, 100'000, 0, 128, 5'000, 1, 77, 300, 2}, head, lanes);
    });
  }
  SUBCASE("none") {
    in_all_ways([](std::size_t head, Lanes lanes) { check_sizes({}, head, lanes); });
  }
}

TEST_CASE("the leaves of many blocks are the leaves of each") {
  const auto random = seeded_random(7);
  std::vector<Buffer> blocks;
  for (std::size_t i = 0; i < 100; ++i) random->fill(blocks.emplace_back(random->below(2000)));
  const std::vector<Bytes> views(blocks.begin(), blocks.end());
  std::vector<Hash> hashes(blocks.size());
  leaf_hashes(views, hashes);
  for (std::size_t i = 0; i < blocks.size(); ++i) CHECK(hashes[i] == leaf_hash(blocks[i]));
}
