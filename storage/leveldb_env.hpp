// The file system as LevelDB sees it, but for one thing: a log is synced before LevelDB leaves it for the
// next.
//
// LevelDB syncs only the newest log, and only when it is asked to. When the write buffer is full it goes on
// in a new log, while what the old one holds may not have reached the disk. After a loss of power the newer
// records can then be there without the older ones: a synced write would not make what came before it
// durable, and what is found would not be a state that ever was. With each log synced before the next one
// begins, what survives is always a beginning of what was written. The price is one fdatasync a write buffer.
//
// (Deriving from LevelDB's classes needs a LevelDB that was built with RTTI, as Debian's is.)
#pragma once

#include <atomic>
#include <string>

#include <leveldb/env.h>

namespace sheaf {

class LogSyncingEnv final : public leveldb::EnvWrapper {
 public:
  explicit LogSyncingEnv(leveldb::Env& base) : EnvWrapper(&base) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** out) override;

  // A log was left without having been synced; LevelDB does not look at what closing a log gives. Stays
  // so until forget_failure().
  bool log_failed() const { return log_failed_; }
  void forget_failure() { log_failed_ = false; }

 private:
  class Log;

  std::atomic<bool> log_failed_{false};
};

}  // namespace sheaf
