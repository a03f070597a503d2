// The life of a value log: opening it, which reads again what the index does not know yet, and closing it.
#include "sheaf/storage/log_backend.hpp"

#include <algorithm>

#include "storage/value_log.hpp"

namespace sheaf {
namespace value_log {

namespace {

class Endless final : public SpaceGauge {
  sheaf::Space measure() override { return {}; }
};

}  // namespace

ValueLog::ValueLog(const LogOptions& options, LogSeams seams)
    : options_(options),
      files_(std::move(seams.files)),
      index_(std::move(seams.index)),
      gauge_(seams.space ? std::move(seams.space) : std::make_shared<Endless>()),
      fresh_keys_(options.random) {}

ValueLog::~ValueLog() { (void)close(); }

Result<void> ValueLog::open() {
  const std::unique_lock lock(open_);
  if (opened_) return {};
  if (auto prepared = files_->prepare(options_.create); !prepared)
    return note(prepared.error(), files_->trouble());
  if (auto opened = index_->open(); !opened) return note(opened.error(), "index: " + index_->trouble());
  poisoned_ = false;
  if (auto started = start(); !started) {
    (void)index_->close();
    forget();
    return started;
  }
  guard_.emplace(*gauge_, options_.floor);
  opened_ = true;
  return {};
}

Result<void> ValueLog::close() {
  const std::unique_lock lock(open_);
  hub_.end();
  // So that the next opening has nothing to read again; where it fails, that one has.
  if (opened_ && !poisoned_) (void)checkpoint(Durable::no);
  opened_ = false;
  (void)index_->close();
  forget();
  return {};
}

Result<void> ValueLog::reopen() {
  {
    const std::unique_lock lock(open_);
    if (opened_ && !guard_->above_floor()) return StorageErrc::full;
  }
  return Backend::reopen();
}

void ValueLog::forget() {
  overlay_.clear();
  segments_ = std::make_shared<Segments>();
  active_.reset();
  end_ = indexed_ = {};
  since_checkpoint_ = 0;
  unsynced_ = false;
  spaces_.clear();
  unmovable_.clear();
  victim_.reset();
  waste_ = Waste::little;
}

std::shared_ptr<Segment> ValueLog::make_segment(SegmentNumber number) {
  return std::make_shared<Segment>(number, files_, open_files_);
}

void ValueLog::add_segment(std::shared_ptr<Segment> segment) {
  auto more = std::make_shared<Segments>(*segments_);
  const SegmentNumber number = segment->number();
  (*more)[number] = std::move(segment);
  const std::unique_lock looking(looking_);
  segments_ = std::move(more);
}

std::shared_ptr<Segment> ValueLog::segment(SegmentNumber number) const {
  const auto found = segments_->find(number);
  return found == segments_->end() ? nullptr : found->second;
}

Result<void> ValueLog::start() {
  auto files = files_->list();
  if (!files) return note(files.error(), files_->trouble());
  Buffer stored;
  if (auto got = index_->get(head_key(), stored); got) {
    const auto head = decode_index_head(stored);
    if (!head) return note(head.error(), "the index does not say how far it goes");
    indexed_ = head->position;
  } else if (got.error() != StorageErrc::not_found) {
    return note(got.error(), "index: " + index_->trouble());
  } else if (!files->empty()) {
    return note(StorageErrc::damaged, "there are values, but their index is missing: " + options_.folder);
  } else if (!options_.create) {
    return StorageErrc::not_found;
  } else {
    indexed_ = {};
    if (auto written = index_->put(head_key(), encode_index_head({.position = indexed_}), {}, Durable::yes);
        !written)
      return note(written.error(), "index: " + index_->trouble());
  }
  if (auto read = read_spaces(*files); !read) return read;
  return replay(*files);
}

// What is alive in each segment that the index knows. A file that it knows nothing of is what a crash has
// left of a segment that was given up.
Result<void> ValueLog::read_spaces(const std::vector<SegmentFiles::Found>& files) {
  auto cursor = index_->iterate({.gte = segment_prefix, .lt = data_prefix});
  if (!cursor) return note(cursor.error(), "index: " + index_->trouble());
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return note(more.error(), "index: " + index_->trouble());
    if (!*more) break;
    const auto number = segment_of_key((*cursor)->key());
    const auto space = decode_space((*cursor)->value());
    if (!number || !space) return note(StorageErrc::damaged, "index: a segment's record does not decode");
    spaces_[*number] = *space;
  }
  for (const auto& file : files) {
    if (file.number < indexed_.segment && !spaces_.contains(file.number)) {
      if (auto gone = files_->remove(file.number); !gone) return note(gone.error(), files_->trouble());
      continue;
    }
    add_segment(make_segment(file.number));
  }
  // Of a file that is missing every value reads as damaged; nothing of it can be moved.
  for (const auto& [number, space] : spaces_)
    if (!segment(number) && space.live > 0) {
      unmovable_.insert(number);
      (void)note(StorageErrc::damaged, segment_name(number) + " is missing");
    }
  return {};
}

Result<void> ValueLog::replay(const std::vector<SegmentFiles::Found>& files) {
  end_ = indexed_;
  bool cut = false;
  for (const auto& file : files) {
    if (file.number < indexed_.segment) continue;
    const bool in_order = file.number == end_.segment || (end_.offset > 0 && file.number == end_.segment + 1);
    if (cut || !in_order || (file.number == indexed_.segment && file.bytes < indexed_.offset))
      return note(StorageErrc::damaged, segment_name(end_.segment) + " does not go on as it was written");
    if (file.number != end_.segment) end_ = {.segment = file.number, .offset = 0};
    const auto at = segment(file.number);
    auto opened = at->file();
    if (!opened) return note(opened.error(), files_->trouble());
    active_ = std::move(*opened);
    if (auto replayed = replay_segment(*at, file.bytes); !replayed) return replayed;
    cut = end_.offset < file.bytes;
  }
  if (!active_ && indexed_.offset > 0)
    return note(StorageErrc::damaged, segment_name(indexed_.segment) + " is missing");
  if (overlay_.empty() && !cut) return {};
  // The next group never follows a part of one: a segment that was cut off stays as it is, and the index says
  // so before the next one is begun.
  unsynced_ = true;
  if (cut) {
    if (auto synced = sync_log(); !synced) return synced;
    active_.reset();
    end_ = {.segment = end_.segment + 1, .offset = 0};
  }
  return checkpoint(Durable::yes);
}

Result<void> ValueLog::replay_segment(Segment& segment, std::uint64_t bytes) {
  GroupReader reader(segment, end_.offset, bytes);
  for (;;) {
    const auto more = reader.next();
    if (!more && more.error() != StorageErrc::damaged) return note(more.error(), files_->trouble());
    if (!more || !*more) break;
    auto slots = read_group(segment, reader);
    if (!slots && slots.error() != StorageErrc::damaged) return note(slots.error(), files_->trouble());
    if (!slots) break;
    if (auto again = write_again(segment, end_.offset, reader.offset()); !again)
      return note(again.error(), files_->trouble());
    apply(std::move(*slots));
    since_checkpoint_ += reader.offset() - end_.offset;
    end_.offset = reader.offset();
    spaces_[end_.segment].bytes = end_.offset;
    unsynced_ = true;
    if (checkpoint_due())
      if (auto done = checkpoint(Durable::no); !done) return done;
  }
  spaces_[end_.segment].bytes = end_.offset;
  return {};
}

// What a run of before has not synced, perhaps because that failed, may be in the system's memory alone, and
// the system take it for written. So it is, before the index names it.
Result<void> ValueLog::write_again(Segment& segment, std::uint64_t from, std::uint64_t end) {
  constexpr std::uint64_t piece_bytes = 1024 * 1024;
  auto file = segment.file();
  if (!file) return file.error();
  Buffer piece;
  while (from < end) {
    piece.resize(static_cast<std::size_t>(std::min(end - from, piece_bytes)));
    if (auto got = (*file)->read(from, piece); !got) return got;
    if (auto written = (*file)->write_again(from, piece); !written) return written;
    from += piece.size();
  }
  return {};
}

// What the last group that the reader came to changes; damaged where a value is not whole.
Result<ValueLog::Slots> ValueLog::read_group(Segment& segment, const GroupReader& group) {
  auto file = segment.file();
  if (!file) return file.error();
  Slots slots;
  Position at{.segment = segment.number(), .offset = group.values_at()};
  Buffer value;
  for (const Record& record : group.records()) {
    if (record.kind == Batch::Kind::del) {
      slots.emplace_back(to_buffer(record.key), Pending{Gone{}});
      continue;
    }
    value.resize(record.value_bytes);
    if (auto got = (*file)->read(at.offset, value); !got) return got.error();
    if (checksum_of(value) != record.checksum) return StorageErrc::damaged;
    if (value.size() <= inline_bytes_most)
      slots.emplace_back(to_buffer(record.key), Pending{value});
    else
      slots.emplace_back(
          to_buffer(record.key),
          Pending{Location{.at = at, .bytes = record.value_bytes, .checksum = record.checksum}});
    at.offset += record.value_bytes;
  }
  return slots;
}

}  // namespace value_log

namespace {

// Of where values lie, so that a read of one need not look for it in the index.
constexpr std::size_t place_cache_bytes = 16 * 1024 * 1024;

}  // namespace

std::unique_ptr<Backend> log_backend(const LogOptions& options, LogSeams seams) {
  return std::make_unique<value_log::ValueLog>(options, std::move(seams));
}

std::unique_ptr<Backend> log_index(const LogOptions& options, leveldb::Env* env) {
  LevelDbOptions index;
  index.folder = options.folder + "/index";
  index.create = options.create;
  index.floor = {.bytes = 0, .percent = 0};  // the log's own floor holds
  index.limits = {.key_bytes = options.limits.key_bytes + 1,
                  .value_bytes = SIZE_MAX,
                  .batch_operations = SIZE_MAX,
                  .batch_bytes = SIZE_MAX};
  index.write_buffer_bytes = 8 * 1024 * 1024;
  LevelDbSeams seams{.env = env};
  seams.records = {
      .bytes = place_cache_bytes, .prefix = value_log::data_prefix[0], .wanted = value_log::is_location};
  return leveldb_backend(index, seams);
}

std::unique_ptr<Backend> log_backend(const LogOptions& options) {
  return log_backend(options, {.files = folder_segments(options.folder),
                               .index = log_index(options, nullptr),
                               .space = folder_gauge(options.folder)});
}

}  // namespace sheaf
