// Which blocks are held.
//
// Kept in pages of 32,768 bits; a page without a bit does not exist, a full one has no words. So an empty
// field costs a map's header, and a full core of a million blocks about 2 KiB. Counts are kept, not computed.
// Never sized by what a peer claims: only blocks that are here are set.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

class Bitfield {
 public:
  Bitfield() = default;
  Bitfield(const Bitfield&) = default;  // as large as the field: not by accident
  Bitfield(Bitfield&&) noexcept = default;
  Bitfield& operator=(const Bitfield& other) { return *this = Bitfield(other); }
  Bitfield& operator=(Bitfield&&) noexcept = default;
  ~Bitfield() = default;

  static constexpr std::uint64_t page_bits = 32768;
  static constexpr std::size_t page_bytes = page_bits / 8;

  bool test(BlockIndex index) const;
  void set(BlockIndex index) { set(BlockRange{index, {index.value + 1}}); }
  void set(BlockRange range);
  void clear(BlockIndex index) { clear(BlockRange{index, {index.value + 1}}); }
  void clear(BlockRange range);

  // All bits set; those set in a range.
  Length count() const { return count_; }
  Length count(BlockRange range) const;
  bool any(BlockRange range) const { return first_set(range).has_value(); }
  bool all(BlockRange range) const { return first_unset(range.begin) >= range.end; }
  bool empty() const { return count_.value == 0; }

  // The first unset bit: all blocks before it are held.
  Length contiguous() const { return contiguous_; }
  BlockIndex first_unset(BlockIndex from) const;
  std::optional<BlockIndex> first_set(BlockRange range) const;
  // The first run of set bits at or after range.begin, cut to the range; empty when there is none.
  BlockRange next_run(BlockRange range) const;
  // One past the last set bit.
  BlockIndex end() const;

  // The bits from range.begin on as the wire's 32-bit words, bit n of word n / 32, as many as cover the
  // range; the last one tells the truth beyond range.end too. Requires: range.begin is a multiple of 32.
  std::vector<std::uint32_t> words(BlockRange range) const;

  // A page as it is stored: bit n is byte n / 8, mask 1 << (n % 8); trailing zero bytes are left out. Nothing
  // for a page without a bit.
  static constexpr std::uint64_t page_of(BlockIndex index) { return index.value / page_bits; }
  Buffer page(std::uint64_t page) const;
  // Replaces a page. False for more bytes than a page has.
  bool load_page(std::uint64_t page, Bytes bytes);
  // Drops every bit from here on.
  void truncate(BlockIndex from);

 private:
  static constexpr std::size_t page_words = page_bits / 64;
  using Words = std::array<std::uint64_t, page_words>;
  struct Page {
    Page() = default;
    Page(std::uint64_t set, std::unique_ptr<Words> bits) : count(set), words(std::move(bits)) {}
    Page(const Page& other) : count(other.count), words(other.words ? new Words(*other.words) : nullptr) {}
    Page(Page&&) noexcept = default;
    Page& operator=(Page&&) noexcept = default;
    ~Page() = default;

    std::uint64_t count = 0;
    std::unique_ptr<Words> words;  // null: all bits set
  };
  std::map<std::uint64_t, Page> pages_;
  Length count_;
  Length contiguous_;
};

}  // namespace sheaf
