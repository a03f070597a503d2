#include "engine/node/ban_list.hpp"

#include <algorithm>

namespace sheaf {

void BanList::add(const PublicKey& key, Instant now) {
  const Duration longest = limits_.ban_most_ms;
  std::erase_if(entries_, [&](const auto& known) { return known.second.until + longest < now; });
  Duration length = std::min<Duration>(limits_.ban_ms, longest);
  if (const auto known = entries_.find(key); known != entries_.end()) {
    const Duration last = known->second.length;
    length = last > longest / 2 ? longest : 2 * last;
  } else if (entries_.size() >= most) {
    entries_.erase(
        std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.until; }));
  }
  entries_[key] = {now + length, length};
}

bool BanList::bans(const PublicKey& key, Instant now) const {
  const auto known = entries_.find(key);
  return known != entries_.end() && now < known->second.until;
}

}  // namespace sheaf
