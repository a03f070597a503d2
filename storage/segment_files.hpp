// The files that a value log writes, so that tests can give it others.
//
// Failures are full, io_error, or damaged where a file is shorter than what is asked of it; trouble() has the
// system's words. Threads: any; a file is appended to by one at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

using SegmentNumber = std::uint32_t;  // grows; never used twice

class SegmentFile {
 public:
  virtual ~SegmentFile() = default;
  // To the end of the file. After a failure part of it may be there.
  virtual Result<void> append(std::span<const Bytes> parts) = 0;
  // After a failure the system may take for written what is not, and tell nobody of it again.
  virtual Result<void> sync() = 0;
  // The bytes that are there already, so that the next sync() has them to write.
  virtual Result<void> write_again(std::uint64_t at, Bytes bytes) = 0;
  virtual Result<void> read(std::uint64_t at, MutableBytes out) = 0;
};

class SegmentFiles {
 public:
  virtual ~SegmentFiles() = default;
  // Makes the folder, mode 0700, where it is missing and may be made.
  virtual Result<void> prepare(bool create) = 0;
  struct Found {
    SegmentNumber number;
    std::uint64_t bytes;
  };
  virtual Result<std::vector<Found>> list() = 0;  // by number
  // An existing file, or a new one whose name is synced. damaged where it is missing.
  virtual Result<std::unique_ptr<SegmentFile>> open(SegmentNumber number, bool create) = 0;
  virtual Result<void> remove(SegmentNumber number) = 0;  // no error where it is missing
  virtual std::string trouble() const = 0;
};

std::unique_ptr<SegmentFiles> folder_segments(std::string folder);

// 00000001.values
std::string segment_name(SegmentNumber number);
std::optional<SegmentNumber> segment_of_name(std::string_view name);

}  // namespace sheaf
