// Checkpoints of the value log, and how it gives space back.
#include <algorithm>

#include "storage/value_log.hpp"

namespace sheaf::value_log {

bool ValueLog::checkpoint_due() const {
  return overlay_.size() >= options_.checkpoint_keys || since_checkpoint_ >= options_.checkpoint_bytes;
}

Result<void> ValueLog::checkpoint(Durable durable) {
  if (indexed_ == end_ && overlay_.empty()) return {};
  // The index never names what could be lost.
  if (auto synced = sync_log(); !synced) return synced;

  Batch batch;
  batch.reserve(overlay_.size() + 16, overlay_.size() * 128);
  std::set<SegmentNumber> touched{end_.segment, indexed_.segment};
  for (SegmentNumber number = indexed_.segment; number < end_.segment; ++number) touched.insert(number);
  for (const auto& [key, pending] : overlay_) {
    const Slot& slot = pending.slot;
    const auto old = pending.fresh ? Result<Slot>(Gone{}) : indexed(key);
    if (!old) return poison(old.error(), trouble());
    const auto* before = std::get_if<Location>(&*old);
    const auto* now = std::get_if<Location>(&slot);
    const Buffer at = data_key(key);
    if (std::holds_alternative<Gone>(slot)) {
      if (!std::holds_alternative<Gone>(*old)) batch.del(at);
    } else {
      batch.put_copy(at, encode_slot(slot));
    }
    if (before && now && *before == *now) continue;  // read again after a crash
    if (before) {
      Space& space = spaces_[before->at.segment];
      space.live -= std::min<std::uint64_t>(space.live, before->bytes);
      touched.insert(before->at.segment);
    }
    if (now) {
      spaces_[now->at.segment].live += now->bytes;
      touched.insert(now->at.segment);
    }
  }
  std::vector<SegmentNumber> dead;
  for (const SegmentNumber number : touched) {
    const auto space = spaces_.find(number);
    if (space == spaces_.end()) continue;
    if (space->second.live == 0 && number < end_.segment) {
      dead.push_back(number);
      batch.del(segment_key(number));
    } else {
      batch.put_copy(segment_key(number), encode_space(space->second));
    }
  }
  batch.put_copy(head_key(), encode_index_head({.position = end_}));
  // An index that came back as it was before would need the segment again.
  if (!dead.empty()) durable = Durable::yes;

  const std::lock_guard swapping(swapping_);
  if (auto written = index_->write(batch, durable); !written)
    return poison(written.error(), "index: " + index_->trouble());
  indexed_ = end_;
  since_checkpoint_ = 0;
  auto left = std::make_shared<Segments>(*segments_);
  for (const SegmentNumber number : dead) {
    spaces_.erase(number);
    unmovable_.erase(number);
    if (victim_ && victim_->segment == number) victim_.reset();
    const auto found = left->find(number);
    if (found == left->end()) continue;
    found->second->retire();
    left->erase(found);
  }
  const auto before = segments_;  // files go outside the lock
  {
    const std::unique_lock looking(looking_);
    overlay_.clear();
    segments_ = std::move(left);
  }
  waste_ = waste();
  if (!victim_ && waste_ != Waste::little) choose_victim();
  return {};
}

Waste ValueLog::waste() {
  constexpr std::uint64_t spare_segments = 6;
  Space all;
  for (const auto& [number, space] : spaces_) {
    all.live += space.live;
    all.bytes += space.bytes;
  }
  if (all.bytes > 4 * all.live || (guard_ && !guard_->above_floor()) ||
      spaces_.size() > spare_segments + 2 * all.live / options_.segment_bytes)
    return Waste::much;
  return all.bytes > 2 * all.live ? Waste::some : Waste::little;
}

// The segment with the least alive, if that is at most half of what a segment should hold: so small ones that
// crashes have left are gathered, too.
void ValueLog::choose_victim() {
  // Moving takes room before it gives any.
  constexpr std::uint64_t spare = 16 * 1024 * 1024;
  const std::uint64_t free = gauge_->measure().free;
  std::uint64_t least = std::min(options_.segment_bytes / 2 + 1, free > spare ? free - spare : 0);
  for (const auto& [number, space] : spaces_) {
    if (number >= end_.segment || space.live >= least || unmovable_.contains(number)) continue;
    least = space.live;
    victim_ = Position{.segment = number, .offset = 0};
  }
}

Result<Slot> ValueLog::current(Bytes key) {
  if (const auto at = overlay_.find(key); at != overlay_.end()) return at->second.slot;
  return indexed(key);
}

Result<void> ValueLog::reclaim(std::uint64_t budget) {
  if (!victim_) return {};
  const auto from = segment(victim_->segment);
  const auto give_up = [&] {
    unmovable_.insert(victim_->segment);
    victim_.reset();
  };
  if (!from) return give_up(), Result<void>();
  GroupReader reader(*from, victim_->offset, spaces_[victim_->segment].bytes);
  std::vector<Buffer> keys, values;
  std::vector<Record> records;
  std::uint64_t gathered = 0;
  std::uint64_t walked = 0;
  bool ended = false;
  while (gathered < budget && walked < 8 * budget) {
    const auto more = reader.next();
    if (!more) return give_up(), Result<void>();
    if (!*more) {
      ended = true;
      break;
    }
    Position at{.segment = victim_->segment, .offset = reader.values_at()};
    for (const Record& record : reader.records()) {
      if (record.kind == Batch::Kind::del) continue;
      const Location here{.at = at, .bytes = record.value_bytes, .checksum = record.checksum};
      at.offset += record.value_bytes;
      if (record.value_bytes <= inline_bytes_most) continue;  // in the index, not here
      const auto slot = current(record.key);
      if (!slot) return poison(slot.error(), trouble());
      const auto* location = std::get_if<Location>(&*slot);
      if (!location || *location != here) continue;
      Buffer value;
      // What is damaged stays where it is: others may know how to mend it.
      if (!read_value(*segments_, here, value, Checked::yes)) return give_up(), Result<void>();
      keys.push_back(to_buffer(record.key));
      values.push_back(std::move(value));
      records.push_back({.kind = Batch::Kind::put,
                         .key = {},
                         .value_bytes = record.value_bytes,
                         .checksum = record.checksum});
      gathered += record.value_bytes;
    }
    walked += reader.offset() - victim_->offset;
    victim_->offset = reader.offset();
  }
  for (std::size_t i = 0; i < records.size(); ++i) records[i].key = keys[i];
  if (!records.empty()) {
    const std::vector<Bytes> parts(values.begin(), values.end());
    if (auto moved = append(records, parts, Durable::no); !moved) return moved;
  }
  if (!ended && !checkpoint_due()) return {};
  const SegmentNumber emptied = victim_->segment;
  if (auto done = checkpoint(Durable::no); !done) return done;
  if (ended && victim_ && victim_->segment == emptied) give_up();
  return {};
}

}  // namespace sheaf::value_log
