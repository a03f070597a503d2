// Which keys of applications' values may have something, in memory: so that a put or a delete of another key
// looks for nothing. A router asks which keys may have copies outside of its root, and which may be in it at
// all.
//
// Learnt only by those who need it: look-ups in vain are counted, and so many of them pay for a page of a
// walk over the root. From the moment that the walk begins each put that leaves something adds its key
// itself. When the walk has come to the end, "no" is certain. A key that has nothing any more stays, and so
// does one whose put failed.
//
// Keys are hashes of 64 bits (XXH3). Threads: any.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <span>

#include "sheaf/protocol/bytes.hpp"
#include "storage/key_filter.hpp"

namespace sheaf {

class KnownKeys {
 public:
  // After so many look-ups in vain a page of so many records, or of so many bytes.
  static constexpr std::size_t vain_a_page = 256;
  static constexpr std::size_t page_records = 1'024;
  static constexpr std::size_t page_bytes = 1024 * 1024;

  // 0 bytes: every key may have it.
  explicit KnownKeys(std::size_t bytes_most) : enabled_(bytes_most > 0), keys_(bytes_most) {}

  bool may_hold(std::uint64_t hash) const;
  void looked_in_vain() {
    if (stage_ < Stage::complete) ++vain_;
  }

  // Whether keys have to be added: with the lock that orders the root's writes, before they are made.
  bool gathers() const { return stage_ == Stage::walking || stage_ == Stage::complete; }
  void add(std::uint64_t hash);

  // -- The walk. Requires: by one at a time.
  bool page_due() const { return enabled_ && vain_ >= vain_a_page; }
  // Requires: nobody writes to the root meanwhile. Gives whether the walk goes on with a page.
  bool begin_page();
  const std::optional<Buffer>& after() const { return after_; }
  void end_page(std::span<const std::uint64_t> found, std::optional<Buffer> after);  // none: the last one
  void give_up();  // for good: every key may have it

  // Begins anew. Requires: nobody uses it.
  void forget();

 private:
  enum class Stage : std::uint8_t { unknown, walking, complete, given_up };

  const bool enabled_;
  std::atomic<Stage> stage_{Stage::unknown};
  std::atomic<std::size_t> vain_{0};
  std::optional<Buffer> after_;  // the walk's

  mutable std::mutex mutex_;  // guards what follows
  KeyFilter keys_;
};

}  // namespace sheaf
