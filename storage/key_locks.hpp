// Keys that writers work on: of two writers with a key in common one waits for the other.
//
// Keys are hashes of 64 bits (XXH3), so two keys of one hash wait for each other for nothing. Threads: any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace sheaf {

class KeyLocks {
 public:
  // While one lives its keys are a writer's. The constructor waits.
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

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<const Held*> held_;  // by each writer at work
  std::size_t waiting_ = 0;
};

}  // namespace sheaf
