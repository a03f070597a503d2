// The segments of a value log as readers and cursors hold them: a list is a snapshot, and a segment that was
// given up keeps its file until the last snapshot with it has gone.
//
// At most open_files_most files are open besides those that somebody reads at the moment. Threads: any.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "sheaf/storage/backend.hpp"
#include "storage/value_log_records.hpp"

namespace sheaf::value_log {

inline constexpr std::size_t open_files_most = 128;

class Segment;

// Closes what was opened longest ago.
class OpenFiles {
 public:
  void add(std::weak_ptr<Segment> segment);

 private:
  std::mutex mutex_;
  std::deque<std::weak_ptr<Segment>> open_;
};

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  Segment(SegmentNumber number, std::shared_ptr<SegmentFiles> files, std::shared_ptr<OpenFiles> open_files)
      : number_(number), files_(std::move(files)), open_files_(std::move(open_files)) {}
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  SegmentNumber number() const { return number_; }
  // Opened where it is not; a new file was made before.
  Result<std::shared_ptr<SegmentFile>> file();
  void use(std::shared_ptr<SegmentFile> file);  // one that was opened already
  void close_file();                            // whoever reads goes on
  void retire() { retired_ = true; }            // the file goes with this object

 private:
  const SegmentNumber number_;
  const std::shared_ptr<SegmentFiles> files_;
  const std::shared_ptr<OpenFiles> open_files_;
  std::mutex mutex_;
  std::shared_ptr<SegmentFile> file_;
  std::atomic<bool> retired_{false};
};

using Segments = std::map<SegmentNumber, std::shared_ptr<Segment>>;

// Appends the value to `out`, which stays as it was on failure: damaged where it is not what was written.
// Requires: the segment is in the list, or is lost.
Result<void> read_value(const Segments& segments, const Location& location, Buffer& out, Checked checked);

// Walks the groups of one segment from an offset on.
class GroupReader {
 public:
  GroupReader(Segment& segment, std::uint64_t from, std::uint64_t end)
      : segment_(segment), next_(from), end_(end) {}

  // To the next group; false at the end. damaged where no whole group begins: it stays there.
  Result<bool> next();
  // Of the group that next() came to.
  const std::vector<Record>& records() const { return records_; }
  std::uint64_t values_at() const { return values_at_; }
  // Where the next group begins.
  std::uint64_t offset() const { return next_; }

 private:
  Segment& segment_;
  std::uint64_t next_;
  const std::uint64_t end_;
  std::uint64_t values_at_ = 0;
  Buffer head_;
  std::vector<Record> records_;
};

}  // namespace sheaf::value_log
