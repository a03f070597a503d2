#include "protocol/bitfield.hpp"

#include <algorithm>
#include <bit>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

// The bits of word `word` that lie in [first, last) of the page.
constexpr std::uint64_t mask_in(std::uint64_t word, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t begin = word * 64;
  std::uint64_t mask = all_ones;
  if (first > begin) mask &= all_ones << (first - begin);
  if (last < begin + 64) mask &= all_ones >> (begin + 64 - last);
  return mask;
}

// Calls visit(word, mask) for the words that [first, last) touches, until it says stop.
template <class Visit>
void for_words(std::uint64_t first, std::uint64_t last, Visit&& visit) {
  for (std::uint64_t word = first / 64; word * 64 < last; ++word)
    if (!visit(word, mask_in(word, first, last))) return;
}

// The part of a range that lies in a page, counted from the page's first bit.
struct Cut {
  std::uint64_t first;
  std::uint64_t last;
  bool whole() const { return first == 0 && last == Bitfield::page_bits; }
};

constexpr Cut cut_to_page(BlockRange range, std::uint64_t page) {
  const std::uint64_t begin = page * Bitfield::page_bits;
  return {std::max(range.begin.value, begin) - begin,
          std::min(range.end.value, begin + Bitfield::page_bits) - begin};
}

constexpr std::uint64_t pages_before(BlockIndex end) {
  return (end.value + Bitfield::page_bits - 1) / Bitfield::page_bits;
}

}  // namespace

bool Bitfield::test(BlockIndex index) const {
  const auto at = pages_.find(page_of(index));
  if (at == pages_.end()) return false;
  if (!at->second.words) return true;
  const std::uint64_t bit = index.value % page_bits;
  return ((*at->second.words)[bit / 64] >> (bit % 64) & 1) != 0;
}

void Bitfield::set(BlockRange range) {
  if (range.empty()) return;
  invariant(range.end.value <= max_wire_integer, "blocks that are held have indexes below 2^53");
  auto at = pages_.lower_bound(page_of(range.begin));
  for (std::uint64_t number = page_of(range.begin); number < pages_before(range.end); ++number) {
    const Cut cut = cut_to_page(range, number);
    while (at != pages_.end() && at->first < number) ++at;
    if (at == pages_.end() || at->first != number) at = pages_.emplace_hint(at, number, Page{});
    Page& page = at->second;
    if (page.count == page_bits) continue;
    if (cut.whole()) {
      count_.value += page_bits - page.count;
      page = Page{page_bits, nullptr};
      continue;
    }
    if (!page.words) page.words = std::make_unique<Words>();
    for_words(cut.first, cut.last, [&](std::uint64_t word, std::uint64_t mask) {
      std::uint64_t& bits = (*page.words)[word];
      const auto fresh = static_cast<std::uint64_t>(std::popcount(mask & ~bits));
      page.count += fresh;
      count_.value += fresh;
      bits |= mask;
      return true;
    });
    if (page.count == page_bits) page.words.reset();
  }
  if (range.begin <= end_of(contiguous_)) contiguous_ = {first_unset(end_of(contiguous_)).value};
}

void Bitfield::clear(BlockRange range) {
  if (range.empty()) return;
  for (auto at = pages_.lower_bound(page_of(range.begin));
       at != pages_.end() && at->first < pages_before(range.end);) {
    const Cut cut = cut_to_page(range, at->first);
    Page& page = at->second;
    if (cut.whole()) {
      count_.value -= page.count;
      at = pages_.erase(at);
      continue;
    }
    if (!page.words) {
      page.words = std::make_unique<Words>();
      page.words->fill(all_ones);
    }
    for_words(cut.first, cut.last, [&](std::uint64_t word, std::uint64_t mask) {
      std::uint64_t& bits = (*page.words)[word];
      const auto gone = static_cast<std::uint64_t>(std::popcount(mask & bits));
      page.count -= gone;
      count_.value -= gone;
      bits &= ~mask;
      return true;
    });
    at = page.count == 0 ? pages_.erase(at) : std::next(at);
  }
  contiguous_ = std::min(contiguous_, Length{range.begin.value});
}

void Bitfield::truncate(BlockIndex from) {
  if (from < end()) clear({from, end()});
}

Length Bitfield::count(BlockRange range) const {
  Length out;
  if (range.empty()) return out;
  for (auto at = pages_.lower_bound(page_of(range.begin));
       at != pages_.end() && at->first < pages_before(range.end); ++at) {
    const Cut cut = cut_to_page(range, at->first);
    const Page& page = at->second;
    if (cut.whole() || !page.words) {
      out.value += cut.whole() ? page.count : cut.last - cut.first;
      continue;
    }
    for_words(cut.first, cut.last, [&](std::uint64_t word, std::uint64_t mask) {
      out.value += static_cast<std::uint64_t>(std::popcount((*page.words)[word] & mask));
      return true;
    });
  }
  return out;
}

BlockIndex Bitfield::first_unset(BlockIndex from) const {
  // Not through contiguous_ alone: set() asks to move it.
  from = std::max(from, end_of(contiguous_));
  for (auto at = pages_.find(page_of(from)); at != pages_.end() && at->first == page_of(from); ++at) {
    const std::uint64_t begin = at->first * page_bits;
    if (at->second.words) {
      std::uint64_t found = page_bits;
      for_words(from.value - begin, page_bits, [&](std::uint64_t word, std::uint64_t mask) {
        const std::uint64_t unset = ~(*at->second.words)[word] & mask;
        if (unset == 0) return true;
        found = word * 64 + static_cast<std::uint64_t>(std::countr_zero(unset));
        return false;
      });
      if (found < page_bits) return {begin + found};
    }
    from = {begin + page_bits};
  }
  return from;
}

std::optional<BlockIndex> Bitfield::first_set(BlockRange range) const {
  if (range.empty()) return std::nullopt;
  for (auto at = pages_.lower_bound(page_of(range.begin));
       at != pages_.end() && at->first < pages_before(range.end); ++at) {
    const Cut cut = cut_to_page(range, at->first);
    const std::uint64_t begin = at->first * page_bits;
    if (!at->second.words) return BlockIndex{begin + cut.first};
    std::optional<BlockIndex> found;
    for_words(cut.first, cut.last, [&](std::uint64_t word, std::uint64_t mask) {
      const std::uint64_t set = (*at->second.words)[word] & mask;
      if (set != 0) found = BlockIndex{begin + word * 64 + static_cast<std::uint64_t>(std::countr_zero(set))};
      return !found;
    });
    if (found) return found;
  }
  return std::nullopt;
}

BlockRange Bitfield::next_run(BlockRange range) const {
  const auto begin = first_set(range);
  if (!begin) return {range.end, range.end};
  return {*begin, std::min(first_unset(*begin), range.end)};
}

BlockIndex Bitfield::end() const {
  if (pages_.empty()) return {};
  const auto& [number, page] = *pages_.rbegin();
  const std::uint64_t begin = number * page_bits;
  if (!page.words) return {begin + page_bits};
  std::uint64_t word = page_words;
  while ((*page.words)[word - 1] == 0) --word;
  return {begin + word * 64 - static_cast<std::uint64_t>(std::countl_zero((*page.words)[word - 1]))};
}

std::vector<std::uint32_t> Bitfield::words(BlockRange range) const {
  invariant(range.begin.value % 32 == 0, "words start at a multiple of 32");
  std::vector<std::uint32_t> out(range.empty() ? 0 : (range.count().value + 31) / 32);
  const BlockRange covered{range.begin, {range.begin.value + 32 * out.size()}};
  for (auto at = pages_.lower_bound(page_of(covered.begin));
       !out.empty() && at != pages_.end() && at->first < pages_before(covered.end); ++at) {
    const Cut cut = cut_to_page(covered, at->first);
    std::uint64_t to = (at->first * page_bits + cut.first - covered.begin.value) / 32;
    for (std::uint64_t half = cut.first / 32; half < cut.last / 32; ++half, ++to) {
      const std::uint64_t word = at->second.words ? (*at->second.words)[half / 2] : all_ones;
      out[to] = static_cast<std::uint32_t>(word >> (half % 2 * 32));
    }
  }
  return out;
}

Buffer Bitfield::page(std::uint64_t number) const {
  const auto at = pages_.find(number);
  if (at == pages_.end()) return {};
  Buffer out(page_bytes, std::byte{0xff});
  if (at->second.words)
    for (std::size_t i = 0; i < page_bytes; ++i)
      out[i] = static_cast<std::byte>((*at->second.words)[i / 8] >> (i % 8 * 8) & 0xff);
  while (out.back() == std::byte{0}) out.pop_back();
  return out;
}

bool Bitfield::load_page(std::uint64_t number, Bytes bytes) {
  if (bytes.size() > page_bytes || number > max_wire_integer / page_bits) return false;
  const BlockIndex begin{number * page_bits};
  clear({begin, {begin.value + page_bits}});
  Page page{0, std::make_unique<Words>()};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    (*page.words)[i / 8] |= std::to_integer<std::uint64_t>(bytes[i]) << (i % 8 * 8);
  for (const std::uint64_t word : *page.words) page.count += static_cast<std::uint64_t>(std::popcount(word));
  if (page.count == 0) return true;
  count_.value += page.count;
  if (page.count == page_bits) page.words.reset();
  pages_.emplace(number, std::move(page));
  if (begin <= end_of(contiguous_)) contiguous_ = {first_unset(end_of(contiguous_)).value};
  return true;
}

}  // namespace sheaf
