#include "sheaf/storage/value_keys.hpp"

#include "sheaf/protocol/invariant.hpp"
#include "storage/key_schema.hpp"

namespace sheaf {

Buffer value_key(Bytes key) {
  invariant(!key.empty(), "a value has a key");
  Buffer stored = to_buffer(keys::all_values().first);
  append(stored, key);
  return stored;
}

std::optional<Bytes> key_of_value(Bytes stored) {
  const keys::Span values = keys::all_values();
  const Bytes prefix = values.first;
  if (stored.size() <= prefix.size() || !as_text(stored).starts_with(as_text(prefix))) return std::nullopt;
  return stored.subspan(prefix.size());
}

ValueRange::ValueRange(const KeyRange& range) : range_(range) {
  const auto bound = [](Bytes key, Buffer& out) {
    if (!key.empty()) out = value_key(key);
  };
  bound(range.gt, gt_);
  bound(range.gte, gte_);
  bound(range.lt, lt_);
  bound(range.lte, lte_);
  const keys::Span values = keys::all_values();
  if (gt_.empty() && gte_.empty()) gte_ = to_buffer(values.first);
  if (lt_.empty() && lte_.empty()) lt_ = to_buffer(values.end);
  range_.gt = gt_;
  range_.gte = gte_;
  range_.lt = lt_;
  range_.lte = lte_;
}

std::optional<BlockOfCore> block_of_key(Bytes stored) {
  constexpr std::size_t index_bytes = 8;
  const keys::Key some = keys::block({}, {});
  const Bytes like = some;
  if (stored.size() != like.size() || stored.front() != like.front()) return std::nullopt;
  const Bytes core = stored.first(stored.size() - index_bytes);
  return BlockOfCore{keys::last_u32(core), keys::last_u64(stored)};
}

}  // namespace sheaf
