#include "protocol/have_set.hpp"

#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace sheaf;

namespace {

BlockRange range(std::uint64_t begin, std::uint64_t end) { return {{begin}, {end}}; }
constexpr auto nothing_excluded = [](BlockIndex) { return false; };

}  // namespace

TEST_CASE("have set: agrees with a plain set, whatever is said, dropped and drawn as bits") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    HaveSet have;
    Bitfield held;
    std::set<std::uint64_t> naive;
    const std::uint64_t span = 3000;
    for (int step = 0; step < 150; ++step) {
      const std::uint64_t begin = random() % span, end = begin + random() % (random() % 4 == 0 ? span : 40);
      switch (random() % 5) {
        case 0:
        case 1:
          have.add(range(begin, end));
          for (std::uint64_t i = begin; i < end; ++i) naive.insert(i);
          break;
        case 2:
          have.drop(range(begin, end));
          naive.erase(naive.lower_bound(begin), naive.lower_bound(std::max(begin, end)));
          break;
        case 3: {
          have.set_interest({random() % span});
          std::vector<std::uint32_t> words(random() % 12);
          const std::uint64_t start = begin / 32 * 32;
          naive.erase(naive.lower_bound(start), naive.lower_bound(start + 32 * words.size()));
          for (std::size_t i = 0; i < words.size(); ++i) {
            words[i] = static_cast<std::uint32_t>(random() % 3 == 0 ? ~0u : random() & random());
            for (unsigned bit = 0; bit < 32; ++bit)
              if ((words[i] >> bit & 1) != 0) naive.insert(start + 32 * i + bit);
          }
          have.apply({start}, words);
          break;
        }
        case 4: held.set(range(begin, begin + random() % 30)); break;
      }
      REQUIRE(have.forgotten().empty());
      std::uint64_t gap = 0;
      while (naive.contains(gap)) ++gap;
      REQUIRE(have.contiguous().value == gap);
      for (int question = 0; question < 6; ++question) {
        const std::uint64_t from = random() % (2 * span);
        const BlockRange in = range(from, from + random() % 200);
        const auto at = naive.lower_bound(from);
        const bool some = at != naive.end() && *at < in.end.value;
        REQUIRE(have.contains({from}) == naive.contains(from));
        REQUIRE(have.first(in) == (some ? std::optional(BlockIndex{*at}) : std::nullopt));
        std::uint64_t inside = 0;
        std::optional<BlockIndex> wanted;
        for (auto i = at; i != naive.end() && *i < in.end.value; ++i) {
          ++inside;
          if (!wanted && !held.test({*i}) && *i % 5 != 0) wanted = BlockIndex{*i};
        }
        REQUIRE(have.covers(in) == (inside == in.count().value));
        REQUIRE(have.first_wanted(in, held, [](BlockIndex i) { return i.value % 5 == 0; }) == wanted);
      }
    }
  }
}

TEST_CASE("have set: a claim of 2^53 blocks costs what one block costs") {
  HaveSet have;
  have.add(range(1, max_wire_integer));
  CHECK(have.bytes() <= 4096);
  CHECK(have.contains({1'000'000'000'000}));
  CHECK(have.contiguous().value == 0);
  Bitfield held;
  held.set(range(0, 10));
  CHECK(have.first_wanted(range(0, 1 << 20), held, nothing_excluded) == BlockIndex{10});
  have.drop(range(5, max_wire_integer));
  CHECK(have.contains({4}));
  CHECK_FALSE(have.contains({5}));
  have.add(range(max_wire_integer, max_wire_integer));
  have.apply({max_wire_integer / 32 * 32}, std::vector<std::uint32_t>(100, ~0u));
  CHECK(have.bytes() <= 4096);
  have.clear();
  CHECK(have.empty());
}

TEST_CASE("have set: scattered claims stay within the bound, and what is forgotten is only asked for again") {
  const std::size_t bound = 64 * 1024;
  HaveSet have(bound);
  have.set_interest({50'000});
  for (std::uint64_t i = 0; i < 200'000; i += 2) {
    have.add(range(i, i + 1));
    REQUIRE(have.bytes() <= bound);
  }
  CHECK_FALSE(have.forgotten().empty());
  // Near the interest nothing was forgotten.
  for (std::uint64_t i = 49'800; i < 50'200; ++i) REQUIRE(have.contains({i}) == (i % 2 == 0));
  // Never a block that was not claimed.
  for (std::uint64_t i = 1; i < 200'000; i += 2) REQUIRE_FALSE(have.contains({i}));
  have.asked_again();
  CHECK(have.forgotten().empty());
}

TEST_CASE("have set: the largest bitfield of alternating bits is bounded in memory and in time") {
  HaveSet have;
  const std::vector<std::uint32_t> words(4 * 1024 * 1024, 0x55555555);
  have.set_interest({1'000'000});
  have.apply({0}, words);
  CHECK(have.bytes() <= Limits{}.have_set_bytes);
  CHECK(have.contains({1'000'000}));
  CHECK_FALSE(have.contains({1'000'001}));
  CHECK_FALSE(have.forgotten().empty());
  for (int i = 0; i < 1000; ++i) have.add(range(static_cast<std::uint64_t>(i) * 1'000'003, max_wire_integer));
  CHECK(have.bytes() <= Limits{}.have_set_bytes);
}
