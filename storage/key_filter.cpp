#include "storage/key_filter.hpp"

#include <algorithm>

namespace sheaf {
namespace {

constexpr std::size_t least_lines = 1'024;
constexpr std::size_t keys_a_line = 40;  // 13 bits a key
constexpr int bits_a_key = 6;

// The upper half of the hash chooses the line, a remix of all of it the bits.
std::size_t line_of(std::uint64_t hash, std::size_t lines) {
  return static_cast<std::size_t>(((hash >> 32) * lines) >> 32);
}

template <class Each>
void for_each_bit(std::uint64_t hash, Each each) {
  std::uint64_t places = hash * 0x9E3779B97F4A7C15u;
  places ^= places >> 32;
  for (int i = 0; i < bits_a_key; ++i, places >>= 9)
    each((places >> 6) & 7, std::uint64_t{1} << (places & 63));
}

}  // namespace

void KeyFilter::add(std::uint64_t hash) {
  if (overflowed_) return;
  if (!parts_.empty() && holds(parts_.back(), hash)) return;
  if (parts_.empty() || parts_.back().keys == parts_.back().lines.size() * keys_a_line) {
    const std::size_t lines = parts_.empty() ? least_lines : 2 * parts_.back().lines.size();
    if (bytes_ + lines * sizeof(Line) > bytes_most_) {
      clear();
      overflowed_ = true;
      return;
    }
    bytes_ += lines * sizeof(Line);
    parts_.push_back({.lines = std::vector<Line>(lines)});
  }
  Part& part = parts_.back();
  ++part.keys;
  Line& line = part.lines[line_of(hash, part.lines.size())];
  for_each_bit(hash, [&](std::uint64_t word, std::uint64_t bit) { line.bits[word] |= bit; });
}

bool KeyFilter::holds(const Part& part, std::uint64_t hash) {
  const Line& line = part.lines[line_of(hash, part.lines.size())];
  bool all = true;
  for_each_bit(hash, [&](std::uint64_t word, std::uint64_t bit) { all &= (line.bits[word] & bit) != 0; });
  return all;
}

bool KeyFilter::may_hold(std::uint64_t hash) const {
  return overflowed_ ||
         std::any_of(parts_.rbegin(), parts_.rend(), [&](const Part& part) { return holds(part, hash); });
}

void KeyFilter::clear() {
  parts_.clear();
  bytes_ = 0;
  overflowed_ = false;
}

}  // namespace sheaf
