#include "protocol/bitfield.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

#include "protocol/messages.hpp"
#include "protocol/want_reply.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;

namespace {

BlockRange range(std::uint64_t begin, std::uint64_t end) { return {{begin}, {end}}; }

// The same field, bit by bit.
struct Naive {
  std::vector<bool> bits = std::vector<bool>(140'000);
  void put(BlockRange in, bool bit) {
    for (std::uint64_t i = in.begin.value; i < in.end.value; ++i) bits[i] = bit;
  }
  std::uint64_t first(std::uint64_t from, std::uint64_t to, bool bit) const {
    const auto at = [&](std::uint64_t i) { return bits.begin() + static_cast<std::ptrdiff_t>(i); };
    return static_cast<std::uint64_t>(std::find(at(from), at(std::max(from, to)), bit) - bits.begin());
  }
  std::uint64_t count(BlockRange in) const {
    std::uint64_t out = 0;
    for (std::uint64_t i = in.begin.value; i < in.end.value; ++i) out += bits[i];
    return out;
  }
  std::uint64_t end() const {
    std::uint64_t out = bits.size();
    while (out > 0 && !bits[out - 1]) --out;
    return out;
  }
};

}  // namespace

TEST_CASE("bitfield: agrees with a plain set, whatever is set and cleared") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 9; ++round) {
    Bitfield field;
    Naive naive;
    const std::uint64_t span = round % 3 != 0 ? 300 : 2 * Bitfield::page_bits + 500;
    for (int step = 0; step < (round % 3 != 0 ? 200 : 12); ++step) {
      const std::uint64_t begin = random() % span;
      const std::uint64_t length = random() % 5 == 0 ? random() % span : random() % 80;
      const BlockRange at = range(begin, begin + length);
      const bool bit = random() % 3 != 0;
      if (bit)
        field.set(at);
      else
        field.clear(at);
      naive.put(at, bit);
      REQUIRE(field.count().value == naive.count(range(0, 2 * span)));
      REQUIRE(field.contiguous().value == naive.first(0, 2 * span, false));
      if (step % 4 == 0) REQUIRE(field.end().value == naive.end());
      for (int question = 0; question < 3; ++question) {
        const std::uint64_t from = random() % (span + 100);
        const BlockRange in = range(from, from + random() % span);
        const std::uint64_t set = naive.first(from, in.end.value, true);
        const bool some = set < in.end.value;
        REQUIRE(field.test({from}) == naive.bits[from]);
        REQUIRE(field.first_unset({from}).value == naive.first(from, 2 * span + 100, false));
        REQUIRE(field.first_set(in) == (some ? std::optional(BlockIndex{set}) : std::nullopt));
        REQUIRE(field.any(in) == some);
        REQUIRE(field.count(in).value == naive.count(in));
        REQUIRE(field.all(in) == (naive.count(in) == in.count().value));
        const BlockRange run = field.next_run(in);
        REQUIRE(run.empty() == !some);
        if (some) REQUIRE(run == range(set, naive.first(set, in.end.value, false)));
      }
    }
    // Stored page by page and loaded in any order, it is the same field; so is a copy.
    Bitfield loaded;
    for (std::uint64_t page = 4; page-- > 0;) REQUIRE(loaded.load_page(page, field.page(page)));
    const Bitfield copy = field;
    for (const Bitfield* other : {&std::as_const(loaded), &copy}) {
      CHECK(other->count() == field.count());
      CHECK(other->contiguous() == field.contiguous());
      CHECK(other->words(range(0, span + 600)) == field.words(range(0, span + 600)));
    }
  }
}

TEST_CASE("bitfield: words carry bit n as bit n mod 32 of word n / 32, and tell the truth past the range") {
  Bitfield field;
  for (const std::uint64_t bit : {0, 33, 63, 64, 70, 32767, 32768}) field.set(BlockIndex{bit});
  CHECK(field.words(range(0, 65)) == std::vector<std::uint32_t>{1, 0x80000002, 0x41});
  CHECK(field.words(range(32, 33)) == std::vector<std::uint32_t>{0x80000002});
  CHECK(field.words(range(32736, 32769)) == std::vector<std::uint32_t>{0x80000000, 1});
  CHECK(field.words(range(0, 0)).empty());
  field.set(range(0, 32768));
  CHECK(field.words(range(32704, 32768)) == std::vector<std::uint32_t>{0xffffffff, 0xffffffff});
}

TEST_CASE("bitfield: pages are stored as bytes, shortest form, and longer ones are refused") {
  Bitfield field;
  CHECK(field.page(0).empty());
  field.set(BlockIndex{9});
  CHECK(to_hex(field.page(0)) == "0002");
  field.set(range(32768, 65536));
  CHECK(field.page(1) == Buffer(4096, std::byte{0xff}));
  CHECK_FALSE(field.load_page(0, Buffer(4097)));
  CHECK_FALSE(field.load_page(max_wire_integer, Buffer(1)));
  CHECK(field.load_page(1, {}));
  CHECK(field.count().value == 1);
  CHECK(field.load_page(0, Buffer(4096, std::byte{0xff})));
  CHECK(field.contiguous().value == 32768);
  field.truncate({100});
  CHECK(field.count().value == 100);
  CHECK(field.contiguous().value == 100);
  field.truncate({200});
  CHECK(field.count().value == 100);
}

TEST_CASE("bitfield: a large full core is set, asked and cleared without its bits") {
  Bitfield field;
  const std::uint64_t blocks = 1'000'000'000;
  field.set(range(0, blocks));
  CHECK(field.contiguous().value == blocks);
  CHECK(field.count(range(5, blocks - 5)).value == blocks - 10);
  field.clear(BlockIndex{500'000'000});
  CHECK(field.contiguous().value == 500'000'000);
  CHECK(field.first_unset({500'000'001}).value == blocks);
  field.clear(range(0, blocks));
  CHECK(field.empty());
}

TEST_CASE("bitfield: wants are answered as in the vectors") {
  const auto vectors = test::vectors("wire/bitfield.json");
  for (const auto& entry : vectors["cases"]) {
    Bitfield field;
    for (const std::uint64_t bit : entry["set"]) field.set(BlockIndex{bit});
    const BlockIndex start{entry["want"]["start"]};
    const Length length{entry["want"]["length"]};
    const WantReply reply = want_reply(field, {entry["length"]}, {start, start + length}, false);
    CHECK_FALSE(reply.range.has_value());
    REQUIRE(reply.fields.size() == entry["replies"].size());
    for (std::size_t i = 0; i < reply.fields.size(); ++i) {
      const BitfieldPart& part = reply.fields[i];
      CHECK(part.start.value == entry["replies"][i]["start"]);
      CHECK(part.words.size() == entry["replies"][i]["words"]);
      Buffer words, body;
      Writer word_writer(words), writer(body);
      for (const std::uint32_t word : part.words) word_writer.u32(word);
      encode(writer, BitfieldMessage{part.start, words});
      // The recording shows the first 200 bytes.
      const std::string hex = entry["replies"][i]["hex"];
      CHECK(to_hex(body).starts_with(hex));
      CHECK(hex.size() == std::min<std::size_t>(2 * body.size(), 400));
    }
  }
  CHECK(vectors["cases"].size() == 5);
  MESSAGE(vectors["cases"].size(), " cases");
}

TEST_CASE("bitfield: a want is answered with one range where that says it all, and by segment elsewhere") {
  Bitfield field;
  field.set(range(0, 100));
  const auto whole = want_reply(field, {100}, range(0, 1 << 21), false);
  CHECK(whole.range == range(0, 100));
  CHECK(whole.fields.empty());
  CHECK(want_reply(field, {500}, range(0, 100), false).range == range(0, 100));
  CHECK(want_reply(field, {500}, range(0, 200), false).fields.size() == 1);
  const auto nothing = want_reply(field, {5000}, range(128, 4096), false);
  CHECK((!nothing.range && nothing.fields.empty()));
  const auto too_long = want_reply(field, {100}, range(0, (1 << 21) + 1), false);
  CHECK((!too_long.range && too_long.fields.empty()));
  const auto empty = want_reply({}, {}, range(0, 32), false);
  CHECK((!empty.range && empty.fields.empty()));

  field.set(BlockIndex{(1 << 21) - 1});
  field.set(BlockIndex{1 << 21});
  const auto both = want_reply(field, {(1 << 21) + 1}, range((1 << 21) - 40, (1 << 21) + 40), false);
  REQUIRE(both.fields.size() == 2);
  CHECK(both.fields[0].start.value == (1 << 21) - 64);
  CHECK(both.fields[0].words == std::vector<std::uint32_t>{0, 0x80000000});
  CHECK(both.fields[1].start.value == 1 << 21);
  CHECK(both.fields[1].words == std::vector<std::uint32_t>{1});

  // "Any" takes one run.
  CHECK(want_reply(field, {1 << 22}, range(50, 60), true).range == range(0, 100));
  CHECK(want_reply(field, {1 << 22}, range(200, 1 << 21), true).range == range((1 << 21) - 1, 1 << 21));
  CHECK_FALSE(want_reply(field, {1 << 22}, range(200, 300), true).range.has_value());
}
