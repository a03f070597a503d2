#include "storage/value_log_segments.hpp"

#include <algorithm>

namespace sheaf::value_log {
namespace {

constexpr std::uint64_t first_read_bytes = 512;

}  // namespace

void OpenFiles::add(std::weak_ptr<Segment> segment) {
  std::shared_ptr<Segment> oldest;
  {
    const std::lock_guard lock(mutex_);
    open_.push_back(std::move(segment));
    if (open_.size() <= open_files_most) return;
    oldest = open_.front().lock();
    open_.pop_front();
  }
  if (oldest) oldest->close_file();
}

// What stays is removed at the next opening.
Segment::~Segment() {
  file_.reset();
  if (retired_) (void)files_->remove(number_);
}

Result<std::shared_ptr<SegmentFile>> Segment::file() {
  std::shared_ptr<SegmentFile> file;
  {
    const std::lock_guard lock(mutex_);
    if (file_) return file_;
    auto opened = files_->open(number_, false);
    if (!opened) return opened.error();
    file = file_ = std::move(*opened);
  }
  open_files_->add(weak_from_this());
  return file;
}

void Segment::use(std::shared_ptr<SegmentFile> file) {
  {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
  }
  open_files_->add(weak_from_this());
}

void Segment::close_file() {
  const std::lock_guard lock(mutex_);
  file_.reset();
}

Result<void> read_value(const Segments& segments, const Location& location, Buffer& out, Checked checked) {
  const auto found = segments.find(location.at.segment);
  if (found == segments.end()) return StorageErrc::damaged;
  auto file = found->second->file();
  if (!file) return file.error();
  const std::size_t start = out.size();
  out.resize(start + location.bytes);
  const MutableBytes value = MutableBytes(out).subspan(start);
  auto got = (*file)->read(location.at.offset, value);
  if (got && checked == Checked::yes && checksum_of(value) != location.checksum) got = StorageErrc::damaged;
  if (!got) out.resize(start);
  return got;
}

Result<bool> GroupReader::next() {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  if (next_ == end_) return false;
  if (end_ - next_ < group_head_bytes) return failed(StorageErrc::damaged);
  auto file = segment_.file();
  if (!file) return failed(file.error());
  // Most heads and their records are short: one read for both.
  head_.resize(static_cast<std::size_t>(std::min(end_ - next_, first_read_bytes)));
  if (auto got = (*file)->read(next_, head_); !got) return failed(got.error());
  const auto head = decode_group_head(segment_.number(), Bytes(head_).first(group_head_bytes));
  if (!head) return failed(head.error());
  const std::uint64_t left = end_ - next_ - group_head_bytes;
  if (head->record_bytes > left || head->value_bytes > left - head->record_bytes)
    return failed(StorageErrc::damaged);
  const std::size_t already = head_.size();
  head_.resize(group_head_bytes + head->record_bytes);
  if (head_.size() > already)
    if (auto got = (*file)->read(next_ + already, MutableBytes(head_).subspan(already)); !got)
      return failed(got.error());
  auto records = decode_group(*head, head_);
  if (!records) return failed(records.error());
  records_ = std::move(*records);
  values_at_ = next_ + head_.size();
  next_ = values_at_ + head->value_bytes;
  return true;
}

}  // namespace sheaf::value_log
