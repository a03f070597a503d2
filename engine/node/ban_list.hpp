// Whom we do not talk to for a while: peers whose proofs did not hold (L12).
//
// The first time for ban_ms, each further time twice as long, up to ban_most_ms. A key is remembered for that
// longest time after its ban ended; at most `most` keys are, and the one whose ban ends first makes place.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

class BanList {
 public:
  static constexpr std::size_t most = 4096;

  explicit BanList(const Limits& limits) : limits_(limits) {}

  void add(const PublicKey& key, Instant now);
  bool bans(const PublicKey& key, Instant now) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Instant until;
    Duration length;
  };

  const Limits& limits_;
  std::unordered_map<PublicKey, Entry, FixedBytesHash> entries_;
};

}  // namespace sheaf
