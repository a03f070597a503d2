// The value log from inside. Its parts, one file each: life and replay (log_backend.cpp), reading and writing
// (value_log.cpp), checkpoints and giving space back (value_log_space.cpp), cursors (value_log_cursor.cpp).
//
// The log is the truth: a write is one group at its end. The index holds the log up to a position; what came
// after is in memory, as the overlay, and is read again from the log after a crash. A checkpoint syncs the
// log, writes the overlay into the index in one batch with the new position, and empties it. So the index
// never names what could be lost, and a loss of power leaves a beginning of what was written.
//
// A segment is removed when nothing of it is alive, after an index that says so was synced. Values that are
// still alive in a segment that is mostly dead are written again at the end of the log, like any put.
#pragma once

#include <atomic>
#include <set>
#include <shared_mutex>

#include "storage/backend_support.hpp"
#include "storage/change_hub.hpp"
#include "storage/log_seams.hpp"
#include "storage/space_gauge.hpp"
#include "storage/value_log_segments.hpp"

namespace sheaf::value_log {

struct KeyOrder {
  using is_transparent = void;
  bool operator()(Bytes a, Bytes b) const { return as_text(a) < as_text(b); }
};
struct Pending {
  Slot slot;
  bool fresh = false;  // the index holds nothing under this key
};
using Overlay = std::map<Buffer, Pending, KeyOrder>;

// Of the space that the log takes. What is dead in it may go by itself, with the rest of its segment, so it
// is waited for: the log is no larger then than the engines that it stands in for.
enum class Waste {
  little,
  some,  // more than half is dead: writes that put something move what is alive
  much,  // more than three quarters are, or many segments hold little, or there is no room: deletes do, too
};

class ValueLog final : public Backend {
 public:
  ValueLog(const LogOptions& options, LogSeams seams);
  ~ValueLog() override;

  Result<void> open() override;
  Result<void> close() override;
  Result<void> reopen() override;
  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override;
  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override;
  Result<void> write(const Batch& batch, Durable durable) override;
  Result<void> sync() override;
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override;
  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override;
  bool poisoned() const override { return poisoned_; }
  const StoreLimits& limits() const override { return options_.limits; }
  std::string trouble() const override;

 private:
  // What a write changes, in its order.
  using Slots = std::vector<std::pair<Buffer, Pending>>;

  // -- Life.
  Result<void> start();
  void forget();
  Result<void> read_spaces(const std::vector<SegmentFiles::Found>& files);
  Result<void> replay(const std::vector<SegmentFiles::Found>& files);
  // Up to the end, or to where no whole group begins.
  Result<void> replay_segment(Segment& segment, std::uint64_t bytes);
  Result<Slots> read_group(Segment& segment, const GroupReader& group);
  Result<void> write_again(Segment& segment, std::uint64_t from, std::uint64_t end);
  Error note(Error error, std::string words);

  // -- Writing. Requires of all that follows: writing_ is held, or the store is being opened.
  // Writes a group at the end of the log and makes it visible; `values` are those of the puts.
  Result<void> append(const std::vector<Record>& records, std::span<const Bytes> values, Durable durable);
  Result<void> begin_segment();
  Result<void> sync_log();
  void apply(Slots slots);
  Error poison(Error error, std::string words);

  // -- Space.
  Result<Slot> indexed(Bytes key);  // Gone where the index does not have it
  Result<Slot> current(Bytes key);
  bool checkpoint_due() const;
  // Also removes the segments of which nothing is alive, and then syncs the index.
  Result<void> checkpoint(Durable durable);
  // Moves up to about `budget` bytes out of a segment that is mostly dead.
  Result<void> reclaim(std::uint64_t budget);
  Waste waste();
  void choose_victim();

  std::shared_ptr<Segment> make_segment(SegmentNumber number);
  void add_segment(std::shared_ptr<Segment> segment);
  std::shared_ptr<Segment> segment(SegmentNumber number) const;

  const LogOptions options_;
  const std::shared_ptr<SegmentFiles> files_;
  const std::shared_ptr<OpenFiles> open_files_ = std::make_shared<OpenFiles>();
  const std::unique_ptr<Backend> index_;
  const std::shared_ptr<SpaceGauge> gauge_;
  FreshKeys fresh_keys_;

  std::shared_mutex open_;  // shared by calls, alone for open and close
  bool opened_ = false;

  std::mutex writing_;                   // orders writes; guards what follows
  std::shared_ptr<SegmentFile> active_;  // null: the next write begins a segment
  Position end_;                         // of the log: where the next group goes
  Position indexed_;                     // up to here the log is in the index
  std::uint64_t since_checkpoint_ = 0;   // bytes
  bool unsynced_ = false;
  std::map<SegmentNumber, Space> spaces_;  // of segments before end_
  std::set<SegmentNumber> unmovable_;      // something in them cannot be read
  std::optional<Position> victim_;         // how far a segment was emptied
  Waste waste_ = Waste::little;            // at the last checkpoint
  std::optional<SpaceGuard> guard_;
  ChangeHub hub_;

  std::mutex swapping_;  // held while the overlay goes into the index; a cursor is made under it
  mutable std::shared_mutex looking_;  // guards what follows; changed under writing_
  Overlay overlay_;
  std::shared_ptr<const Segments> segments_ = std::make_shared<Segments>();

  std::atomic<bool> poisoned_{false};
  mutable std::mutex noting_;
  std::string trouble_;
};

// Over the index's entries and a part of the overlay, which wins.
std::unique_ptr<Cursor> log_cursor(std::unique_ptr<Cursor> index,
                                   std::vector<std::pair<Buffer, Slot>> overlay,
                                   std::shared_ptr<const Segments> segments, const KeyRange& range);

}  // namespace sheaf::value_log
