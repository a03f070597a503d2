#include "engine/archive/pending_entries.hpp"

#include "protocol/entry_path.hpp"
#include "protocol/limits.hpp"

namespace sheaf {

using boost::asio::awaitable;

awaitable<Result<void>> PendingEntries::begin() {
  if (turn_) co_return Result<void>();
  auto core = co_await archive_->db();
  if (!core) co_return core.error();
  if (!(*core)->writable()) co_return EngineErrc::not_writable;
  auto turn = co_await archive_->entries_turn.take();
  if (!turn) co_return turn.error();
  turn_ = std::move(*turn);
  co_return Result<void>();
}

void PendingEntries::put(std::string path, DriveEntry entry) {
  latest_[path] = operations_.size();
  operations_.emplace_back(std::move(path), std::move(entry));
}

awaitable<Result<std::optional<StoredEntry>>> PendingEntries::del(std::string path) {
  auto there = co_await find(path);
  if (!there || !*there) co_return there;
  latest_[path] = operations_.size();
  operations_.emplace_back(std::move(path), std::nullopt);
  co_return there;
}

awaitable<Result<std::optional<StoredEntry>>> PendingEntries::find(std::string path) {
  auto version = co_await archive_->settle(std::nullopt, Core::From::here);
  if (!version) co_return version.error();
  const auto waiting = latest_.find(path);
  if (waiting == latest_.end())
    co_return co_await archive_->find(std::move(path), *version, Core::From::peers);
  const auto& entry = operations_[waiting->second].second;
  if (!entry) co_return std::optional<StoredEntry>();
  // Every operation is one block.
  const BlockIndex seq{version->value + waiting->second};
  co_return std::optional(StoredEntry{std::move(path), seq, *entry});
}

awaitable<Result<Version>> PendingEntries::commit(Core::Safety safety) {
  const bool synced = safety == Core::Safety::machine;
  const auto apply = [this](BeeBatch& batch) -> Result<void> {
    for (const auto& [path, entry] : operations_) {
      const Buffer key = entry_key(path);
      if (!entry) {
        if (auto gone = batch.del(key); !gone) return gone.error();
        continue;
      }
      const Buffer value = encode(*entry);
      // No reader takes it, ours included.
      if (value.size() > limits::entry_bytes) return ProtocolErrc::malformed;
      if (auto put = batch.put(key, Bytes(value)); !put) return put;
    }
    return {};
  };
  if (auto begun = co_await begin(); !begun) co_return begun.error();
  if (auto stored = co_await contents.store(synced); !stored) co_return stored.error();
  if (auto there = co_await contents.still_there(); !there) co_return there.error();
  auto version = co_await archive_->change(apply, synced);
  if (!version) co_return version.error();
  operations_.clear();
  latest_.clear();
  contents.give_turn_back();
  turn_ = {};
  co_return version;
}

}  // namespace sheaf
