#include "protocol/have_set.hpp"

#include <algorithm>
#include <bit>

#include "protocol/flat_tree.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

constexpr std::uint64_t most_index = flat_tree::longest.value;

BlockRange cut(BlockRange range) {
  return {{std::min(range.begin.value, most_index)}, {std::min(range.end.value, most_index)}};
}

// Runs of set bits in the words of a bitfield message.
class WordRuns {
 public:
  explicit WordRuns(std::span<const std::uint32_t> words) : words_(words) {}
  std::uint64_t bits() const { return 32 * words_.size(); }

  // The first bit at or after `from` that is set (or, flipped, unset); bits() when there is none.
  std::uint64_t next(std::uint64_t from, bool set) const {
    for (std::uint64_t word = from / 32; word < words_.size(); ++word) {
      std::uint32_t bits = set ? words_[word] : ~words_[word];
      if (word == from / 32) bits &= ~std::uint32_t{0} << (from % 32);
      if (bits != 0) return word * 32 + static_cast<std::uint64_t>(std::countr_zero(bits));
    }
    return bits();
  }

 private:
  std::span<const std::uint32_t> words_;
};

}  // namespace

HaveSet::HaveSet(std::size_t bytes) : most_runs_(std::max<std::size_t>(bytes / run_bytes, 2)) {}

void HaveSet::add(BlockRange range) {
  range = cut(range);
  if (range.empty()) return;
  insert(range.begin.value, range.end.value);
  forget_excess();
}

void HaveSet::drop(BlockRange range) {
  range = cut(range);
  if (range.empty()) return;
  remove(range.begin.value, range.end.value);
  forget_excess();
}

void HaveSet::apply(BlockIndex start, std::span<const std::uint32_t> words) {
  invariant(start.value % 32 == 0, "a bitfield starts at a multiple of 32");
  if (start.value >= most_index) return;
  words = words.first(
      static_cast<std::size_t>(std::min<std::uint64_t>(words.size(), (most_index - start.value) / 32)));
  if (words.empty()) return;
  const WordRuns runs(words);
  remove(start.value, start.value + runs.bits());

  // From where we are working upwards, then what lies before; never more runs than half of all that may be
  // kept, so that one message costs no more than its own length and that.
  std::size_t left = std::max(most_runs_ - std::min(runs_.size(), most_runs_), most_runs_ / 2);
  const std::uint64_t middle = interest_ <= start ? 0 : std::min(interest_.value - start.value, runs.bits());
  const auto take = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t begin = runs.next(from, true); begin < to;) {
      const std::uint64_t end = std::min(runs.next(begin, false), to);
      if (left == 0) return remember_forgotten(start.value + begin, start.value + to);
      --left;
      insert(start.value + begin, start.value + end);
      begin = end < to ? runs.next(end, true) : to;
    }
  };
  take(middle, runs.bits());
  take(0, middle);
  forget_excess();
}

void HaveSet::clear() {
  runs_.clear();
  forgotten_ = {};
}

// Adds an interval and joins it with those that it touches. Requires: begin < end.
void HaveSet::insert(std::uint64_t begin, std::uint64_t end) {
  auto at = runs_.upper_bound(begin);
  if (at != runs_.begin()) {
    const auto before = std::prev(at);
    if (before->second >= begin) {
      if (before->second >= end) return;
      begin = before->first;
      at = before;
    }
  }
  while (at != runs_.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = runs_.erase(at);
  }
  runs_.emplace_hint(at, begin, end);
}

// Requires: begin < end.
void HaveSet::remove(std::uint64_t begin, std::uint64_t end) {
  auto at = runs_.upper_bound(begin);
  if (at != runs_.begin()) {
    const auto before = std::prev(at);
    const std::uint64_t before_end = before->second;
    if (before_end > begin) {
      if (before->first == begin)
        runs_.erase(before);
      else
        before->second = begin;
      if (before_end > end) {
        runs_.emplace_hint(at, end, before_end);
        return;
      }
    }
  }
  while (at != runs_.end() && at->first < end) {
    const std::uint64_t run_end = at->second;
    at = runs_.erase(at);
    if (run_end > end) {
      runs_.emplace_hint(at, end, run_end);
      return;
    }
  }
}

// The first or the last interval goes, whichever is farther from where we are working.
void HaveSet::forget_excess() {
  while (runs_.size() > most_runs_) {
    const auto first = runs_.begin();
    const auto last = std::prev(runs_.end());
    const std::uint64_t at = interest_.value;
    const std::uint64_t below = at > first->second ? at - first->second : 0;
    const std::uint64_t above = last->first > at ? last->first - at : 0;
    const auto gone = below > above ? first : last;
    remember_forgotten(gone->first, gone->second);
    runs_.erase(gone);
  }
}

void HaveSet::remember_forgotten(std::uint64_t begin, std::uint64_t end) {
  if (forgotten_.empty())
    forgotten_ = {{begin}, {end}};
  else
    forgotten_ = {{std::min(forgotten_.begin.value, begin)}, {std::max(forgotten_.end.value, end)}};
}

bool HaveSet::contains(BlockIndex index) const { return covers({index, {index.value + 1}}); }

bool HaveSet::covers(BlockRange range) const {
  if (range.empty()) return true;
  const auto after = runs_.upper_bound(range.begin.value);
  return after != runs_.begin() && std::prev(after)->second >= range.end.value;
}

Length HaveSet::contiguous() const {
  const auto first = runs_.begin();
  return {first != runs_.end() && first->first == 0 ? first->second : 0};
}

BlockRange HaveSet::next_run(BlockRange range) const {
  const BlockRange none{range.end, range.end};
  if (range.empty()) return none;
  auto at = runs_.upper_bound(range.begin.value);
  if (at != runs_.begin() && std::prev(at)->second > range.begin.value) --at;
  if (at == runs_.end() || at->first >= range.end.value) return none;
  return {{std::max(at->first, range.begin.value)}, {std::min(at->second, range.end.value)}};
}

std::optional<BlockIndex> HaveSet::first(BlockRange range) const {
  const BlockRange run = next_run(range);
  if (run.empty()) return std::nullopt;
  return run.begin;
}

}  // namespace sheaf
