// Locks of keys: two writers of one key work one after the other, others beside each other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {

// Keys that a writer works on; another writer of one of them waits. Held as hashes: two keys of one hash wait
// for each other for nothing.
class KeyLocks {
 public:
  class Held {
   public:
    Held(KeyLocks& locks, std::vector<std::uint64_t> hashes);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    friend class KeyLocks;
    bool meets(const Held& other) const;

    KeyLocks& locks_;
    std::vector<std::uint64_t> hashes_;  // sorted
  };

  static std::uint64_t hash_of(Bytes key);

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<const Held*> held_;  // by each writer at work
  std::size_t waiting_ = 0;
};

}  // namespace sheaf
