#include "storage/key_locks.hpp"

#include <algorithm>

namespace sheaf {

KeyLocks::Held::Held(KeyLocks& locks, std::vector<std::uint64_t> hashes)
    : locks_(locks), hashes_(std::move(hashes)) {
  if (hashes_.empty()) return;
  std::sort(hashes_.begin(), hashes_.end());
  std::unique_lock lock(locks_.mutex_);
  ++locks_.waiting_;
  locks_.freed_.wait(lock, [&] {
    return std::none_of(locks_.held_.begin(), locks_.held_.end(),
                        [&](const Held* other) { return meets(*other); });
  });
  --locks_.waiting_;
  locks_.held_.push_back(this);
}

KeyLocks::Held::~Held() {
  if (hashes_.empty()) return;
  bool somebody_waits = false;
  {
    const std::lock_guard lock(locks_.mutex_);
    std::erase(locks_.held_, this);
    somebody_waits = locks_.waiting_ > 0;
  }
  if (somebody_waits) locks_.freed_.notify_all();
}

bool KeyLocks::Held::meets(const Held& other) const {
  auto mine = hashes_.begin();
  auto theirs = other.hashes_.begin();
  while (mine != hashes_.end() && theirs != other.hashes_.end()) {
    if (*mine == *theirs) return true;
    *mine < *theirs ? ++mine : ++theirs;
  }
  return false;
}

}  // namespace sheaf
