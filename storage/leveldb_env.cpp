#include "storage/leveldb_env.hpp"

#include <memory>

namespace sheaf {

class LogSyncingEnv::Log final : public leveldb::WritableFile {
 public:
  using Status = leveldb::Status;
  Log(LogSyncingEnv& env, WritableFile* file) : env_(env), file_(file) {}
  ~Log() override { leave(); }

  Status Append(const leveldb::Slice& data) override {
    unsynced_ = true;
    return file_->Append(data);
  }
  Status Flush() override { return file_->Flush(); }
  Status Sync() override {
    const Status status = file_->Sync();
    if (status.ok()) unsynced_ = false;
    return status;
  }
  Status Close() override {
    leave();
    return file_->Close();
  }

 private:
  void leave() {
    if (unsynced_ && !Sync().ok()) env_.log_failed_ = true;
    unsynced_ = false;
  }

  LogSyncingEnv& env_;
  const std::unique_ptr<WritableFile> file_;
  bool unsynced_ = false;
};

leveldb::Status LogSyncingEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** out) {
  const leveldb::Status status = target()->NewWritableFile(name, out);
  if (status.ok() && name.ends_with(".log")) *out = new Log(*this, *out);
  return status;
}

}  // namespace sheaf
