// The value log with what it stands on given from outside.
#pragma once

#include "sheaf/storage/log_backend.hpp"
#include "storage/leveldb_seams.hpp"
#include "storage/segment_files.hpp"

namespace sheaf {

struct LogSeams {
  std::unique_ptr<SegmentFiles> files;
  std::unique_ptr<Backend> index;     // not opened; takes batches of any size
  std::shared_ptr<SpaceGauge> space;  // null: endless
};

std::unique_ptr<Backend> log_backend(const LogOptions& options, LogSeams seams);

// The index of a log in that folder, on the system's files or, for tests, on others.
std::unique_ptr<Backend> log_index(const LogOptions& options, leveldb::Env* env);

}  // namespace sheaf
