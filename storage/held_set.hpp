// The stored bitfield of one core while a commit changes it: pages are read when they are touched and
// written back together.
#pragma once

#include <array>
#include <map>

#include "sheaf/protocol/units.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

class HeldSet {
 public:
  static constexpr std::uint64_t page_bits = 4096;
  static constexpr std::size_t page_bytes = page_bits / 8;

  // `count`: how many blocks are held so far.
  HeldSet(Backend& state, CoreId core, Length count) : state_(state), core_(core), count_(count) {}

  Result<void> hold(BlockIndex index);
  Result<void> drop(BlockRange range);

  Length count() const { return count_; }
  std::size_t pages() const { return pages_.size(); }  // touched so far
  // Every changed page, and the count.
  void write_to(Batch& batch) const;

 private:
  struct Page {
    std::array<std::byte, page_bytes> bits{};
    bool changed = false;
  };

  Result<Page*> page(std::uint64_t number);
  void drop_from(Page& page, std::uint64_t first, std::uint64_t end);

  Backend& state_;
  CoreId core_;
  Length count_;
  bool changed_ = false;
  std::map<std::uint64_t, Page> pages_;
  Page* last_ = nullptr;
  std::uint64_t last_number_ = 0;
};

}  // namespace sheaf
