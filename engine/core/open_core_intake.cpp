// What a core takes in from peers, and how much of it its archive's quota lets it keep.
#include "engine/core/open_core.hpp"

namespace sheaf {
namespace {

// Answers verified in one batch: enough to share a hop and a write, few enough to keep it in the
// milliseconds.
constexpr std::size_t batch_items = 2048;

}  // namespace

const CoreKey& OpenCore::whole() const {
  return record_.kind == CoreKind::archive_blobs && record_.partner ? *record_.partner : local_.key;
}

bool OpenCore::knows_quota() const {
  if (writable() || record_.kind == CoreKind::bare || !record_.partner) return true;
  const auto other = part() == Quota::Part::contents ? Quota::Part::entries : Quota::Part::contents;
  return node_.quota.counts(whole(), other);
}

void OpenCore::ingest(Ingest::Item item) {
  if (const auto& block = item.data.data.proof.block; block && !writable()) {
    const ByteCount bytes{block->value.size()};
    const bool was_full = over_quota();
    if (!node_.quota.take(whole(), part(), bytes)) {
      if (!was_full) node_.hooks.quota_moved(whole());
      std::vector<Ingest::Item> left;
      left.push_back(std::move(item));
      return replicator_.work_failed(left);
    }
    arriving_ = arriving_ + bytes;
  }
  if (changes_.empty() || !std::holds_alternative<Ingest>(changes_.back()) ||
      std::get<Ingest>(changes_.back()).items.size() >= batch_items)
    changes_.emplace_back(Ingest{});
  std::get<Ingest>(changes_.back()).items.push_back(std::move(item));
  kick();
}

void OpenCore::finish_one(Ingest& ingest, const Delta& delta) {
  if (!writable()) {
    ByteCount taken;
    for (const Ingest::Item& item : ingest.items)
      if (const auto& block = item.data.data.proof.block) taken.value += block->value.size();
    arriving_ = arriving_ - taken;
    if (node_.quota.give_back(whole(), part(), taken - delta.stored_bytes)) node_.hooks.quota_moved(whole());
  }
  if (delta.error) return replicator_.work_failed(ingest.items);
  for (const Ingest::Item& item : ingest.items) give_to_waiters(item);
  replicator_.ingested(ingest.items);
}

void OpenCore::quota_moved() {
  if (over_quota()) {
    for (auto& [block, waiters] : waiters_)
      for (auto& waiter : waiters) waiter->set(EngineErrc::quota);
    waiters_.clear();
  }
  changed_.notify();
  replicator_.schedule();
}

void OpenCore::store_healed() {
  changed_.notify();
  replicator_.schedule();
}

void OpenCore::leave_quota() {
  if (!writable()) node_.quota.closed(whole(), part());
}

}  // namespace sheaf
