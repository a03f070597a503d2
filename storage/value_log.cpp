// How the value log reads and writes.
#include "storage/value_log.hpp"

namespace sheaf::value_log {
namespace {

// A value may be moved between the moment its place was read and the moment it is asked for. More often than
// this within one read that does not happen.
constexpr int attempts = 16;

}  // namespace

Error ValueLog::note(Error error, std::string words) {
  const std::lock_guard lock(noting_);
  trouble_ = words.empty() ? error.message() : std::move(words);
  return error;
}

std::string ValueLog::trouble() const {
  const std::lock_guard lock(noting_);
  return trouble_;
}

Error ValueLog::poison(Error error, std::string words) {
  poisoned_ = true;
  return note(error, std::move(words));
}

Result<Slot> ValueLog::indexed(Bytes key) {
  Buffer stored;
  if (auto got = index_->get(data_key(key), stored); !got) {
    if (got.error() == StorageErrc::not_found) return Slot(Gone{});
    return note(got.error(), "index: " + index_->trouble());
  }
  auto slot = decode_slot(stored);
  if (!slot) return note(slot.error(), "index: an entry does not decode");
  return slot;
}

Result<void> ValueLog::get(Bytes key, Buffer& out, Checked checked) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  for (int attempt = 0;; ++attempt) {
    std::shared_ptr<const Segments> segments;
    std::optional<Slot> found;
    {
      // The list first: a value that is moved afterwards lies in a segment that the list keeps.
      const std::shared_lock looking(looking_);
      segments = segments_;
      if (const auto at = overlay_.find(key); at != overlay_.end()) found = at->second.slot;
    }
    if (!found) {
      auto slot = indexed(key);
      if (!slot) return slot.error();
      found = std::move(*slot);
    }
    if (std::holds_alternative<Gone>(*found)) return StorageErrc::not_found;
    if (const auto* value = std::get_if<Buffer>(&*found)) {
      sheaf::append(out, *value);
      return {};
    }
    const auto& location = std::get<Location>(*found);
    if (!segments->contains(location.at.segment) && attempt < attempts) continue;
    auto got = read_value(*segments, location, out, checked);
    if (!got)
      return note(got.error(), "the value at " + std::to_string(location.at.offset) + " of " +
                                   segment_name(location.at.segment) + " is not what was written");
    return got;
  }
}

Result<Buffer> ValueLog::post(Bytes value, const Traits& traits, Durable durable) {
  Buffer key = fresh_keys_.next();
  Traits fresh = traits;
  fresh.fresh = true;
  if (auto stored = put(key, value, fresh, durable); !stored) return stored.error();
  return key;
}

Result<void> ValueLog::write(const Batch& batch, Durable durable) {
  if (auto fits = check_limits(batch, options_.limits); !fits) return fits;
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const std::lock_guard writing(writing_);
  if (poisoned_) return StorageErrc::poisoned;
  if (!guard_->admits(batch.bytes()) && !only_deletes(batch)) return StorageErrc::full;
  if (batch.empty()) return durable == Durable::yes ? sync_log() : Result<void>();

  std::vector<Record> records;
  std::vector<Bytes> values;
  records.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    records.push_back({.kind = operation.kind, .key = operation.key, .fresh = operation.traits.fresh});
    if (operation.kind != Batch::Kind::put) continue;
    records.back().value_bytes = static_cast<std::uint32_t>(operation.value.size());
    records.back().checksum = checksum_of(operation.value);
    values.push_back(operation.value);
  }
  if (auto appended = append(records, values, durable); !appended) return appended;
  hub_.publish(batch);

  // The write has happened; what is tidied up with it changes nothing about that, and a failure of it is told
  // to the next one.
  // Deletes are small; what they free is not.
  constexpr std::uint64_t least_budget = 256 * 1024;
  constexpr std::uint64_t operation_budget = 2 * 1024;
  if (checkpoint_due()) (void)checkpoint(Durable::no);
  if (!poisoned_ && (waste_ == Waste::much || !values.empty()))
    (void)reclaim(
        std::max({2 * std::uint64_t{batch.bytes()}, operation_budget * batch.size(), least_budget}));
  return {};
}

Result<void> ValueLog::sync() { return write(Batch{}, Durable::yes); }

Result<void> ValueLog::append(const std::vector<Record>& records, std::span<const Bytes> values,
                              Durable durable) {
  std::uint64_t bytes = group_head_bytes;
  for (const Record& record : records)
    bytes += 3 + 4 + Checksum::size + record.key.size() + record.value_bytes;
  const bool segment_is_full = end_.offset > 0 && end_.offset + bytes > options_.segment_bytes;
  if (!active_ || segment_is_full)
    if (auto begun = begin_segment(); !begun) return begun;

  const Buffer head = encode_group(end_.segment, records);
  std::vector<Bytes> parts{head};
  parts.insert(parts.end(), values.begin(), values.end());
  unsynced_ = true;
  if (auto written = active_->append(parts); !written) return poison(written.error(), files_->trouble());

  Slots slots;
  slots.reserve(records.size());
  Position at{.segment = end_.segment, .offset = end_.offset + head.size()};
  std::size_t next = 0;
  for (const Record& record : records) {
    if (record.kind == Batch::Kind::del) {
      slots.emplace_back(to_buffer(record.key), Pending{Gone{}});
      continue;
    }
    const Bytes value = values[next++];
    if (value.size() <= inline_bytes_most)
      slots.emplace_back(to_buffer(record.key), Pending{to_buffer(value), record.fresh});
    else
      slots.emplace_back(to_buffer(record.key),
                         Pending{Location{.at = at, .bytes = record.value_bytes, .checksum = record.checksum},
                                 record.fresh});
    at.offset += value.size();
  }
  since_checkpoint_ += at.offset - end_.offset;
  end_.offset = at.offset;
  spaces_[end_.segment].bytes = end_.offset;
  if (durable == Durable::yes)
    if (auto synced = sync_log(); !synced) return synced;
  apply(std::move(slots));
  return {};
}

// The segment before is synced, so that only the last one can end in the middle of a group.
Result<void> ValueLog::begin_segment() {
  if (auto synced = sync_log(); !synced) return synced;
  const SegmentNumber number = active_ ? end_.segment + 1 : end_.segment;
  auto file = files_->open(number, true);
  if (!file) return poison(file.error(), files_->trouble());
  active_ = std::move(*file);
  auto made = make_segment(number);
  made->use(active_);
  add_segment(std::move(made));
  end_ = {.segment = number, .offset = 0};
  return {};
}

Result<void> ValueLog::sync_log() {
  if (!unsynced_) return {};
  if (auto synced = active_->sync(); !synced) return poison(synced.error(), files_->trouble());
  unsynced_ = false;
  return {};
}

void ValueLog::apply(Slots slots) {
  const std::unique_lock looking(looking_);
  for (auto& [key, pending] : slots) {
    const auto [at, inserted] = overlay_.try_emplace(std::move(key), std::move(pending));
    if (!inserted) at->second.slot = std::move(pending.slot);  // what the index holds has not changed
  }
}

Result<std::unique_ptr<Cursor>> ValueLog::iterate(const KeyRange& range) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const Bounds bounds(range);
  KeyRange within{.reverse = range.reverse, .keys_only = range.keys_only};
  const Buffer lower = data_key(bounds.lower() ? Bytes(*bounds.lower()) : Bytes());
  const Buffer upper = bounds.upper() ? data_key(*bounds.upper()) : Buffer{std::byte{3}};
  within.gte = lower;
  within.lte = upper;

  std::vector<std::pair<Buffer, Slot>> changed;
  const std::lock_guard swapping(swapping_);
  const std::shared_lock looking(looking_);
  auto at = bounds.lower() ? overlay_.lower_bound(*bounds.lower()) : overlay_.begin();
  for (; at != overlay_.end() && (!bounds.upper() || as_text(at->first) <= as_text(*bounds.upper())); ++at)
    if (bounds.above_lower(at->first) && bounds.below_upper(at->first))
      changed.emplace_back(at->first, at->second.slot);
  auto index = index_->iterate(within);
  if (!index) return note(index.error(), "index: " + index_->trouble());
  return log_cursor(std::move(*index), std::move(changed), segments_, range);
}

Result<std::unique_ptr<Changes>> ValueLog::changes(const ChangeOptions& options) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const std::lock_guard writing(writing_);
  return hub_.subscribe(options);
}

}  // namespace sheaf::value_log
