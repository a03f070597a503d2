// Which blocks a peer says it has.
//
// Intervals in order: a claim of 2^53 blocks costs as much as one of a single block, and a message of one
// range O(log n). At most `bytes` of memory (limit L9); past that the intervals farthest from the interest
// are forgotten, which is safe: what is forgotten is asked for again. What is said is believed only so far as
// to decide whom to ask.
#pragma once

#include <map>
#include <optional>
#include <span>

#include "protocol/bitfield.hpp"
#include "sheaf/protocol/limits.hpp"

namespace sheaf {

class HaveSet {
 public:
  explicit HaveSet(std::size_t bytes = Limits{}.have_set_bytes);

  // A range message, with and without `drop`. Ranges are cut to what can be an index.
  void add(BlockRange range);
  void drop(BlockRange range);
  // A bitfield message: the truth for the interval that it covers. Requires: start is a multiple of 32.
  void apply(BlockIndex start, std::span<const std::uint32_t> words);
  void clear();

  bool contains(BlockIndex index) const;
  bool covers(BlockRange range) const;
  // All blocks below it are there, as far as known.
  Length contiguous() const;
  std::optional<BlockIndex> first(BlockRange range) const;
  // The first interval at or after range.begin, cut to the range; empty when there is none.
  BlockRange next_run(BlockRange range) const;
  bool empty() const { return runs_.empty(); }

  // The first block of the range that they have, we do not, and `excluded(BlockIndex)` does not hold back.
  template <class Excluded>
  std::optional<BlockIndex> first_wanted(BlockRange range, const Bitfield& held, Excluded&& excluded) const {
    for (BlockRange run = next_run(range); !run.empty(); run = next_run({run.end, range.end}))
      for (BlockIndex at = held.first_unset(run.begin); at < run.end; at = held.first_unset({at.value + 1}))
        if (!excluded(at)) return at;
    return std::nullopt;
  }

  // Where we are working: what lies far from it is forgotten first.
  void set_interest(BlockIndex at) { interest_ = at; }
  // Intervals that were forgotten lie in here; empty while everything said is known. Ask (want) again for it,
  // and say so with asked_again() before.
  BlockRange forgotten() const { return forgotten_; }
  void asked_again() { forgotten_ = {}; }

  // What is accounted for this set, never more than the bound.
  std::size_t bytes() const { return runs_.size() * run_bytes; }

 private:
  static constexpr std::size_t run_bytes = 64;  // a tree node of two integers as the allocator rounds it

  void insert(std::uint64_t begin, std::uint64_t end);
  void remove(std::uint64_t begin, std::uint64_t end);
  void forget_excess();
  void remember_forgotten(std::uint64_t begin, std::uint64_t end);

  std::map<std::uint64_t, std::uint64_t> runs_;  // begin -> end, disjoint and not touching
  std::size_t most_runs_;
  BlockIndex interest_;
  BlockRange forgotten_;
};

}  // namespace sheaf
