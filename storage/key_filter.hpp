// Which keys were added, roughly and in little memory: "no" is certain, "yes" is wrong for about one key in a
// hundred that was not.
//
// Blocked Bloom filters (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
// 2007): all bits of a key lie in one line of the cache. A filter that holds as many keys as it should is
// followed by one of twice the size, so nobody has to know beforehand how many there will be. Beyond the
// memory that it may take it holds everything: it answers "yes" to all, and has given its memory back.
//
// Keys are hashes of 64 bits, evenly distributed. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sheaf {

class KeyFilter {
 public:
  explicit KeyFilter(std::size_t bytes_most) : bytes_most_(bytes_most) {}

  // Takes no room where the newest filter has it already.
  void add(std::uint64_t hash);
  bool may_hold(std::uint64_t hash) const;
  bool holds_everything() const { return overflowed_; }
  void clear();
  std::size_t bytes() const { return bytes_; }

 private:
  struct alignas(64) Line {
    std::array<std::uint64_t, 8> bits{};
  };
  struct Part {
    std::vector<Line> lines;
    std::size_t keys = 0;
  };

  static bool holds(const Part& part, std::uint64_t hash);

  std::size_t bytes_most_;
  std::vector<Part> parts_;  // each twice as large as the one before
  std::size_t bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace sheaf
