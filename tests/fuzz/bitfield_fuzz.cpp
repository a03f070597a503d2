// F11: bitfield and have-set against plain bits, over two page borders, whatever is set, cleared, dropped,
// drawn and stored.
#include <vector>

#include "protocol/bitfield.hpp"
#include "protocol/have_set.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

// Places where ranges may begin and end, in order: every bit of a few words around the first page border, and
// the corners of words, pages and nothing in particular elsewhere. Between two of them all bits are alike, so
// the plain model keeps one bit for each gap, however long.
constexpr std::uint64_t border = Bitfield::page_bits;
constexpr std::uint64_t dense = border - 64;  // the first of 128 bits that are places each
constexpr std::uint64_t dense_bits = 128;

std::vector<std::uint64_t> make_places() {
  std::vector<std::uint64_t> out{0, 1, 31, 32, 33, 63, 64, 65, 127, 300, 4096, 20'000};
  for (std::uint64_t i = 0; i <= dense_bits; ++i) out.push_back(dense + i);
  for (const std::uint64_t at :
       {100, 500, 4096, 30'000, 32'704, 32'736, 32'767, 32'768, 32'769, 32'800, 33'000})
    out.push_back(border + at);
  for (const std::uint64_t at : {1, 2, 3, 50}) out.push_back(at * 10'000'000'000);
  return out;
}
const std::vector<std::uint64_t> places = make_places();

struct Plain {
  std::vector<bool> gaps = std::vector<bool>(places.size());  // gap i: from place i to place i + 1

  void put(std::size_t begin, std::size_t end, bool bit) {
    for (std::size_t i = begin; i < end; ++i) gaps[i] = bit;
  }
  // The first place from `at` on where a gap is set, or unset; `end` when there is none before it.
  std::size_t next(std::size_t at, std::size_t end, bool bit) const {
    while (at < end && gaps[at] != bit) ++at;
    return at;
  }
  std::uint64_t count(std::size_t begin, std::size_t end) const {
    std::uint64_t out = 0;
    for (std::size_t i = begin; i < end; ++i) out += gaps[i] ? places[i + 1] - places[i] : 0;
    return out;
  }
};

// A range of places. Those of a bitfield stay below the last page border, since it keeps a page for each
// 32,768 blocks that are held.
struct Chosen {
  std::size_t begin, end;
  BlockRange range() const { return {{places[begin]}, {places[end]}}; }
};

Chosen chosen(fuzz::Choices& choices) {
  const std::size_t near = places.size() - 5;
  const std::size_t a = choices.byte() % near, b = choices.byte() % near;
  return {std::min(a, b), std::max(a, b)};
}

void same_answers(const Bitfield& field, const HaveSet& have, const Plain& plain, Chosen chosen) {
  const BlockRange in = chosen.range();
  const std::size_t first = plain.next(chosen.begin, chosen.end, true);
  const bool some = first < chosen.end;
  const std::size_t run_end = plain.next(first, chosen.end, false);
  const std::uint64_t count = plain.count(chosen.begin, chosen.end);
  const auto expected_first = some ? std::optional(BlockIndex{places[first]}) : std::nullopt;
  const BlockRange run = some ? BlockRange{{places[first]}, {places[run_end]}} : BlockRange{in.end, in.end};

  expect(field.test(in.begin) == plain.gaps[chosen.begin]);
  expect(field.first_set(in) == expected_first);
  expect(field.first_unset(in.begin).value == places[plain.next(chosen.begin, places.size() - 1, false)]);
  expect(field.count(in).value == count);
  expect(field.any(in) == some);
  expect(field.all(in) == (count == in.count().value));
  expect(field.next_run(in) == run);
  expect(have.contains(in.begin) == plain.gaps[chosen.begin]);
  expect(have.first(in) == expected_first);
  expect(have.covers(in) == (count == in.count().value));
  expect(have.next_run(in) == run);
  // What they have and a field of the same bits has too is wanted by nobody.
  expect(!have.first_wanted(in, field, [](BlockIndex) { return false; }));
  expect(have.first_wanted(in, Bitfield(), [](BlockIndex) { return false; }) == expected_first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  const std::size_t first_dense = static_cast<std::size_t>(std::ranges::find(places, dense) - places.begin());
  Bitfield field;
  HaveSet have;
  HaveSet small(6 * 64);  // forgets, but never invents
  Plain plain;
  for (int steps = 0; choices.left() && steps < 24; ++steps) {
    switch (choices.byte() % 6) {
      case 0:
      case 1: {
        const Chosen at = chosen(choices);
        field.set(at.range());
        have.add(at.range());
        small.add(at.range());
        plain.put(at.begin, at.end, true);
        break;
      }
      case 2: {
        const Chosen at = chosen(choices);
        field.clear(at.range());
        have.drop(at.range());
        small.drop(at.range());
        plain.put(at.begin, at.end, false);
        break;
      }
      case 3: {
        const std::uint64_t skipped = choices.below(dense_bits / 32);
        std::vector<std::uint32_t> words(choices.below(dense_bits / 32 + 1 - skipped));
        const BlockIndex start{dense + 32 * skipped};
        for (std::size_t i = 0; i < 32 * words.size(); ++i) {
          if (i % 32 == 0) words[i / 32] = static_cast<std::uint32_t>(choices.below(std::uint64_t{1} << 32));
          const bool bit = (words[i / 32] >> (i % 32) & 1) != 0;
          plain.gaps[first_dense + 32 * skipped + i] = bit;
          if (bit)
            field.set(BlockIndex{start.value + i});
          else
            field.clear(BlockIndex{start.value + i});
        }
        small.set_interest({places[choices.byte() % places.size()]});
        have.apply(start, words);
        small.apply(start, words);
        expect(field.words({start, {start.value + 32 * words.size()}}) == words);
        break;
      }
      case 4: {
        // Through the store and back.
        Bitfield loaded;
        for (std::uint64_t page = 0; page < 3; ++page) expect(loaded.load_page(page, field.page(page)));
        expect(loaded.count() == field.count() && loaded.contiguous() == field.contiguous());
        field = std::move(loaded);
        break;
      }
      case 5: {
        // A claim of any size costs the have-set no more than a small one.
        const BlockRange far{{places[places.size() - 4]}, {choices.number()}};
        have.add(far);
        have.drop({far.begin, {max_wire_integer}});
        small.add(far);
        small.drop({far.begin, {max_wire_integer}});
        break;
      }
    }
    same_answers(field, have, plain, chosen(choices));
    expect(have.forgotten().empty());
    expect(small.bytes() <= 6 * 64);
  }
  const std::size_t last = places.size() - 1;
  for (std::size_t i = 0; i < last; ++i) {
    const BlockRange gap{{places[i]}, {places[i + 1]}};
    expect(!small.first(gap) || plain.gaps[i]);
    if (plain.gaps[i] && !small.covers(gap)) expect(small.forgotten().contains(gap.begin));
  }
  expect(field.count().value == plain.count(0, last));
  expect(field.contiguous().value == places[plain.next(0, last, false)]);
  same_answers(field, have, plain, {0, last});
  return 0;
}
