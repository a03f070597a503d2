#include "storage/segment_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <mutex>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>

#include "storage/leveldb_files.hpp"

namespace sheaf {
namespace {

constexpr std::string_view suffix = ".values";

class Troubles {
 public:
  // Of the last system call. Gives what the store answers.
  StorageErrc failed(const std::string& what) {
    const int error = errno;
    const std::lock_guard lock(mutex_);
    words_ = what + ": " + std::generic_category().message(error);
    return error == ENOSPC || error == EDQUOT ? StorageErrc::full : StorageErrc::io_error;
  }
  StorageErrc damaged(const std::string& what) {
    const std::lock_guard lock(mutex_);
    words_ = what;
    return StorageErrc::damaged;
  }
  std::string words() const {
    const std::lock_guard lock(mutex_);
    return words_;
  }

 private:
  mutable std::mutex mutex_;
  std::string words_;
};

class PosixFile final : public SegmentFile {
 public:
  PosixFile(int descriptor, std::string name, std::shared_ptr<Troubles> troubles)
      : descriptor_(descriptor), name_(std::move(name)), troubles_(std::move(troubles)) {}
  ~PosixFile() override { ::close(descriptor_); }

  Result<void> append(std::span<const Bytes> parts) override {
    std::vector<iovec> left;
    left.reserve(parts.size());
    for (const Bytes part : parts)
      if (!part.empty()) left.push_back({const_cast<std::byte*>(part.data()), part.size()});
    for (std::size_t at = 0; at < left.size();) {
      const auto count = static_cast<int>(std::min<std::size_t>(left.size() - at, IOV_MAX));
      const ssize_t written = ::writev(descriptor_, left.data() + at, count);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return troubles_->failed(name_);
      auto done = static_cast<std::size_t>(written);
      while (at < left.size() && done >= left[at].iov_len) done -= left[at++].iov_len;
      if (done == 0) continue;
      left[at].iov_base = static_cast<std::byte*>(left[at].iov_base) + done;
      left[at].iov_len -= done;
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(descriptor_) != 0) return troubles_->failed(name_);
    return {};
  }

  // By a descriptor of its own: one that appends does so wherever it is told to write.
  Result<void> write_again(std::uint64_t at, Bytes bytes) override {
    const int again = ::open(name_.c_str(), O_WRONLY | O_CLOEXEC);
    if (again < 0) return troubles_->failed(name_);
    Result<void> done;
    while (!bytes.empty() && done) {
      const ssize_t written = ::pwrite(again, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        done = troubles_->failed(name_);
        break;
      }
      at += static_cast<std::uint64_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    ::close(again);
    return done;
  }

  Result<void> read(std::uint64_t at, MutableBytes out) override {
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return troubles_->failed(name_);
      if (got == 0) return troubles_->damaged(name_ + " is shorter than it was");
      at += static_cast<std::uint64_t>(got);
      out = out.subspan(static_cast<std::size_t>(got));
    }
    return {};
  }

 private:
  const int descriptor_;
  const std::string name_;
  const std::shared_ptr<Troubles> troubles_;
};

class FolderSegments final : public SegmentFiles {
 public:
  explicit FolderSegments(std::string folder) : folder_(std::move(folder)) {}

  Result<void> prepare(bool create) override {
    struct stat status;
    if (::stat(folder_.c_str(), &status) == 0) return {};
    if (!create) return StorageErrc::not_found;
    if (::mkdir(folder_.c_str(), 0700) != 0) return troubles_->failed(folder_);
    return {};
  }

  Result<std::vector<Found>> list() override {
    DIR* const folder = ::opendir(folder_.c_str());
    if (!folder) return troubles_->failed(folder_);
    std::vector<Found> found;
    for (const dirent* entry = ::readdir(folder); entry; entry = ::readdir(folder)) {
      const auto number = segment_of_name(entry->d_name);
      struct stat status;
      if (number && ::stat(path(*number).c_str(), &status) == 0)
        found.push_back({*number, static_cast<std::uint64_t>(status.st_size)});
    }
    ::closedir(folder);
    std::ranges::sort(found, {}, &Found::number);
    return found;
  }

  Result<std::unique_ptr<SegmentFile>> open(SegmentNumber number, bool create) override {
    const std::string name = path(number);
    const int flags = O_RDWR | O_APPEND | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0);
    const int descriptor = ::open(name.c_str(), flags, 0600);
    if (descriptor < 0 && errno == ENOENT) return troubles_->damaged(name + " is missing");
    if (descriptor < 0) return troubles_->failed(name);
    std::unique_ptr<SegmentFile> file = std::make_unique<PosixFile>(descriptor, name, troubles_);
    if (create && !sync_folder(folder_)) return troubles_->failed(folder_);
    return file;
  }

  Result<void> remove(SegmentNumber number) override {
    if (::unlink(path(number).c_str()) != 0 && errno != ENOENT) return troubles_->failed(path(number));
    return {};
  }

  std::string trouble() const override { return troubles_->words(); }

 private:
  std::string path(SegmentNumber number) const { return folder_ + "/" + segment_name(number); }

  const std::string folder_;
  const std::shared_ptr<Troubles> troubles_ = std::make_shared<Troubles>();
};

}  // namespace

std::unique_ptr<SegmentFiles> folder_segments(std::string folder) {
  return std::make_unique<FolderSegments>(std::move(folder));
}

std::string segment_name(SegmentNumber number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08u", number);
  return std::string(digits) + std::string(suffix);
}

std::optional<SegmentNumber> segment_of_name(std::string_view name) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  SegmentNumber number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace sheaf
