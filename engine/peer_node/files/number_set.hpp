// A set of 64-bit numbers that takes little more than they do: of a million files an export knows which ones
// it has written, and by a hash of their names which ones to keep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sheaf::peer_node::files {

class NumberSet {
 public:
  void insert(std::uint64_t number) {
    if (shards_.empty()) shards_.resize(shards);
    std::vector<std::uint64_t>& shard = shards_[shard_of(number)];
    const auto at = std::lower_bound(shard.begin(), shard.end(), number);
    if (at != shard.end() && *at == number) return;
    if (shard.size() == shard.capacity()) {
      const auto place = at - shard.begin();
      shard.reserve(shard.size() + shard.size() / 8 + 4);  // doubling would leave half of it unused
      shard.insert(shard.begin() + place, number);
      return;
    }
    shard.insert(at, number);
  }

  bool contains(std::uint64_t number) const {
    if (shards_.empty()) return false;
    const std::vector<std::uint64_t>& shard = shards_[shard_of(number)];
    return std::binary_search(shard.begin(), shard.end(), number);
  }

 private:
  // Each in order. Numbers that follow each other go into different ones.
  static constexpr std::size_t shards = 4096;
  static std::size_t shard_of(std::uint64_t number) {
    return static_cast<std::size_t>(number * 0x9e3779b97f4a7c15 >> 52);
  }

  std::vector<std::vector<std::uint64_t>> shards_;
};

}  // namespace sheaf::peer_node::files
