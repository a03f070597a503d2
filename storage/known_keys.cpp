#include "storage/known_keys.hpp"

namespace sheaf {

bool KnownKeys::may_hold(std::uint64_t hash) const {
  if (stage_ != Stage::complete) return true;
  const std::lock_guard lock(mutex_);
  return keys_.may_hold(hash);
}

void KnownKeys::add(std::uint64_t hash) {
  const std::lock_guard lock(mutex_);
  keys_.add(hash);
}

bool KnownKeys::begin_page() {
  vain_ = 0;
  if (stage_ == Stage::unknown) stage_ = Stage::walking;
  return stage_ == Stage::walking;
}

void KnownKeys::end_page(std::span<const std::uint64_t> found, std::optional<Buffer> after) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t hash : found) keys_.add(hash);
  after_ = std::move(after);
  if (keys_.holds_everything())
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
  keys_.clear();
}

}  // namespace sheaf
