#include "engine/core/quota.hpp"

#include <algorithm>
#include <utility>

namespace sheaf {
namespace {

std::size_t place(Quota::Part part) { return static_cast<std::size_t>(part); }

void subtract(std::uint64_t& from, ByteCount bytes) { from -= std::min(from, bytes.value); }

}  // namespace

void Quota::opened(const CoreKey& archive, Part part, ByteCount keeps) {
  Kept& kept = kept_[archive];
  kept.bytes[place(part)] = keeps.value;
  kept.open[place(part)] = true;
}

bool Quota::counts(const CoreKey& archive, Part part) const {
  const auto found = kept_.find(archive);
  return found != kept_.end() && found->second.open[place(part)];
}

void Quota::closed(const CoreKey& archive, Part part) {
  const auto found = kept_.find(archive);
  if (found == kept_.end()) return;
  Kept& kept = found->second;
  kept.bytes[place(part)] = 0;
  kept.open[place(part)] = false;
  if (!kept.open[0] && !kept.open[1]) kept_.erase(found);
}

bool Quota::take(const CoreKey& archive, Part part, ByteCount bytes) {
  Kept& kept = kept_[archive];
  if (kept.full) return false;
  const std::uint64_t used = kept.bytes[0] + kept.bytes[1];
  if (used > most_.value || bytes.value > most_.value - used) {
    kept.full = true;
    return false;
  }
  kept.bytes[place(part)] += bytes.value;
  return true;
}

bool Quota::give_back(const CoreKey& archive, Part part, ByteCount bytes) {
  const auto found = kept_.find(archive);
  if (found == kept_.end() || bytes.value == 0) return false;
  subtract(found->second.bytes[place(part)], bytes);
  return std::exchange(found->second.full, false);
}

bool Quota::full(const CoreKey& archive) const {
  const auto found = kept_.find(archive);
  return found != kept_.end() && found->second.full;
}

}  // namespace sheaf
