// The numbers of a core, each kind a type of its own, so that a block is never taken for a byte.
//
// All of them travel as integers of at most 2^53 - 1 (max_wire_integer); a decoder refuses more, so sums
// of two never overflow 64 bits.
#pragma once

#include <compare>
#include <cstdint>

namespace sheaf {

inline constexpr std::uint64_t max_wire_integer = (std::uint64_t{1} << 53) - 1;

// How many blocks: of a core (its length) or of a range.
struct Length {
  std::uint64_t value{};
  auto operator<=>(const Length&) const = default;
};

// The place of one block in its core, from 0.
struct BlockIndex {
  std::uint64_t value{};
  auto operator<=>(const BlockIndex&) const = default;
};

// How many bytes, or a byte's distance from the start of a core.
struct ByteCount {
  std::uint64_t value{};
  auto operator<=>(const ByteCount&) const = default;
};

// A node's number in the flat in-order tree: leaf i is 2i.
struct TreeIndex {
  std::uint64_t value{};
  auto operator<=>(const TreeIndex&) const = default;
};

// How often a core's writer has cut its history; signed together with the length.
struct Fork {
  std::uint64_t value{};
  auto operator<=>(const Fork&) const = default;
};

constexpr BlockIndex operator+(BlockIndex first, Length count) { return {first.value + count.value}; }
constexpr Length operator-(BlockIndex end, BlockIndex first) { return {end.value - first.value}; }
constexpr BlockIndex& operator++(BlockIndex& index) {
  ++index.value;
  return index;
}
constexpr Length operator+(Length a, Length b) { return {a.value + b.value}; }
constexpr Length operator-(Length a, Length b) { return {a.value - b.value}; }
constexpr ByteCount operator+(ByteCount a, ByteCount b) { return {a.value + b.value}; }
constexpr ByteCount operator-(ByteCount a, ByteCount b) { return {a.value - b.value}; }

// The first index past a core of this length; also the index of the next block appended to it.
constexpr BlockIndex end_of(Length length) { return {length.value}; }

// A half-open interval of blocks.
struct BlockRange {
  BlockIndex begin;
  BlockIndex end;
  constexpr bool empty() const { return end <= begin; }
  constexpr Length count() const { return empty() ? Length{} : end - begin; }
  constexpr bool contains(BlockIndex index) const { return begin <= index && index < end; }
  auto operator<=>(const BlockRange&) const = default;
};

}  // namespace sheaf
