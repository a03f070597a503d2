#include "storage/known_keys.hpp"

namespace sheaf {

bool KnownKeys::may(const KeyFilter& keys, std::uint64_t hash) const {
  if (stage_ != Stage::complete) return true;
  const std::lock_guard lock(mutex_);
  return keys.may_hold(hash);
}

void KnownKeys::add(Key key) {
  const std::lock_guard lock(mutex_);
  add_locked(key);
}

void KnownKeys::add_locked(Key key) {
  there_.add(key.hash);
  if (key.copies) copied_.add(key.hash);
}

bool KnownKeys::begin_page() {
  vain_ = 0;
  if (stage_ == Stage::unknown) stage_ = Stage::walking;
  return stage_ == Stage::walking;
}

void KnownKeys::end_page(std::span<const Key> found, std::optional<Buffer> after) {
  const std::lock_guard lock(mutex_);
  for (const Key& key : found) add_locked(key);
  after_ = std::move(after);
  if (there_.holds_everything() && copied_.holds_everything())
    stage_ = Stage::given_up;
  else if (!after_)
    stage_ = Stage::complete;
}

void KnownKeys::give_up() { stage_ = Stage::given_up; }

void KnownKeys::forget() {
  const std::lock_guard lock(mutex_);
  stage_ = Stage::unknown;
  vain_ = 0;
  after_.reset();
  there_.clear();
  copied_.clear();
}

}  // namespace sheaf
