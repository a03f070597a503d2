#include "storage/put_plan.hpp"

#include <string_view>
#include <unordered_map>

namespace sheaf {

LastOfEachKey::LastOfEachKey(const Batch& batch) {
  if (batch.size() < 2) return;
  counts_.assign(batch.size(), true);
  std::unordered_map<std::string_view, std::size_t> last;
  last.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    if (operation.traits.role == Traits::Role::state) continue;
    const auto [at, fresh] = last.try_emplace(as_text(operation.key), i);
    if (fresh) continue;
    counts_[at->second] = false;
    at->second = i;
  }
}

}  // namespace sheaf
