// The last written and read records of a store, in memory: a look-up that finds one here walks no tree.
//
// Two generations: what is written or found goes into the young one; when that is full, it becomes the old
// one, and the old one goes. So the memory is bounded, and what nobody asks for is gone after two turns.
// Asked for in the old one, a record moves into the young one.
//
// A record is what the last write has made of its key, or is not here. A write forgets its keys before the
// store is asked and brings them back after; what was read while a write was under way, or before one that
// has ended, is not taken. A write that failed may have happened or not: everything is forgotten then.
//
// Threads: any. Writes are made one after another by the caller.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "sheaf/storage/batch.hpp"

namespace sheaf {

struct RecordCacheOptions {
  std::size_t bytes = 0;  // at most, all told; 0: nothing is kept
  // Which records: keys that begin so, with values that are wanted. Neither: all that are small enough.
  std::optional<std::byte> prefix{};
  bool (*wanted)(Bytes value) = nullptr;
};

class RecordCache {
 public:
  // Longer ones are not kept.
  static constexpr std::size_t key_bytes_most = 1200;
  static constexpr std::size_t value_bytes_most = 512;

  explicit RecordCache(const RecordCacheOptions& options) : options_(options) {}

  // Appends the value to `out`.
  bool find(Bytes key, Buffer& out);

  // Before the store is read, and with what was found there.
  std::uint64_t begin_read() const;
  void end_read(std::uint64_t begun, Bytes key, Bytes value);

  // Requires: one write at a time, and the same batch for both.
  void begin_write(const Batch& batch);
  void end_write(const Batch& batch, bool written);

  void clear();
  std::size_t bytes() const;

 private:
  // Open addressing, with records one after another in an arena.
  class Generation {
   public:
    std::size_t bytes() const { return slots_.size() * sizeof(Slot) + arena_.size(); }
    // Whether one more of that size would take it above `most` bytes.
    bool is_full(std::size_t record_bytes, std::size_t most) const;
    // Nothing where it is not here. The view lives until the generation changes.
    std::optional<Bytes> find(std::uint32_t hash, Bytes key) const;
    void prefetch(std::uint32_t hash) const;
    void erase(std::uint32_t hash, Bytes key);
    // In the place of the one that may be here. Requires: is_full() was asked.
    void put(std::uint32_t hash, Bytes key, Bytes value, std::size_t most);
    void clear();

   private:
    struct Slot {
      std::uint32_t hash = 0;
      std::uint32_t place = 0;  // in the arena, from 1; 0: free
    };
    static constexpr std::uint32_t erased = UINT32_MAX;

    static std::size_t arena_most(std::size_t most) { return most - most / 4; }
    const Slot* slot_of(std::uint32_t hash, Bytes key) const;
    bool holds(const Slot& slot, std::uint32_t hash, Bytes key) const;
    Slot& free_slot(std::uint32_t hash);
    void grow();

    std::vector<Slot> slots_;  // a power of two of them, or none
    Buffer arena_;
    std::size_t used_ = 0;  // slots that are not free
  };

  bool covers(Bytes key) const {
    return options_.bytes > 0 && !key.empty() && key.size() <= key_bytes_most &&
           (!options_.prefix || key[0] == *options_.prefix);
  }
  bool takes(Bytes value) const {
    return value.size() <= value_bytes_most && (options_.wanted == nullptr || options_.wanted(value));
  }
  // Requires: guard_ is held. False: the generations have turned.
  bool keep(std::uint32_t hash, Bytes key, Bytes value);

  const RecordCacheOptions options_;

  mutable std::mutex guard_;  // guards what follows
  Generation young_, old_;
  std::uint64_t writes_ = 0;  // begun and ended; odd while one is under way
};

}  // namespace sheaf
