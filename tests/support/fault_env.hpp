// A file system in memory for LevelDB, whose disk can fail and whose power can go.
//
// Every operation that reaches the medium (create, append, sync, rename, remove) has a number, from 0. One
// of them can be made to fail, or all from one on, which is a crash; then lose_power() says what becomes of
// bytes that were never synced, and a new store may be opened on what is left. File names are taken to
// survive in order, as a journaling file system keeps them. Like the real Env, a file gathers up to 64 KiB
// before it writes, and forgets them when the write fails.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <leveldb/env.h>

namespace sheaf::test {

enum class Unsynced { kept, dropped, torn };

class FaultEnv final : public leveldb::EnvWrapper {
 private:
  template <class Work>
  auto with_lock(Work work) const {
    const std::lock_guard lock(mutex_);
    return work();
  }

 public:
  using Status = leveldb::Status;
  FaultEnv() : EnvWrapper(Env::Default()) {}

  // How many operations have reached the medium.
  std::uint64_t operations() const {
    return with_lock([&] { return operations_; });
  }
  void fail_at(std::uint64_t operation) {
    with_lock([&] { return fail_at_ = operation, 0; });
  }
  void fail_next() {
    with_lock([&] { return fail_at_ = operations_, 0; });
  }
  // Every n-th append fails; 0: none.
  void fail_every_append(std::uint64_t n) {
    with_lock([&] { return fail_every_ = n, 0; });
  }
  void crash_at(std::uint64_t operation) {
    with_lock([&] { return crash_at_ = operation, 0; });
  }
  bool crashed() const {
    return with_lock([&] { return crashed_; });
  }
  // A failed operation says that the disk is full.
  void fail_as_full() {
    with_lock([&] { return full_ = true, 0; });
  }

  // While held, LevelDB's background work waits. Release it before the store is closed.
  void hold_background(bool held) {
    std::vector<std::pair<void (*)(void*), void*>> waiting;
    {
      const std::lock_guard lock(mutex_);
      held_ = held;
      if (!held) waiting.swap(waiting_);
    }
    for (const auto& [work, argument] : waiting) target()->Schedule(work, argument);
  }

  // The machine comes up again. Requires: no store is open.
  void lose_power(Unsynced unsynced) {
    lose_power_by_file([&](const std::string&) { return unsynced; });
  }
  // The same, where what becomes of the bytes depends on the file's name.
  template <class Fate>
  void lose_power_by_file(Fate fate) {
    const std::lock_guard lock(mutex_);
    crash_at_.reset();
    fail_at_.reset();
    crashed_ = false;
    locked_.clear();
    for (auto& [name, file] : files_) {
      std::size_t left = file->data.size();
      switch (fate(name)) {
        case Unsynced::kept: break;
        case Unsynced::dropped: left = file->synced; break;
        case Unsynced::torn: {
          // Part of what was pending has reached the disk, in whole sectors.
          const std::size_t half = file->synced + (file->data.size() - file->synced) / 2;
          left = std::max(file->synced, half / 512 * 512);
          break;
        }
      }
      file->data.resize(left);
      file->synced = left;
      file->given_up = {};
    }
  }

  // For damage by hand: the bytes of every file.
  std::map<std::string, std::string> contents() const {
    return with_lock([&] {
      std::map<std::string, std::string> out;
      for (const auto& [name, file] : files_) out[name] = file->data;
      return out;
    });
  }
  void restore(const std::map<std::string, std::string>& contents) {
    const std::lock_guard lock(mutex_);
    files_.clear();
    for (const auto& [name, data] : contents) files_[name] = std::make_shared<File>(File{data, data.size()});
  }

  Status NewSequentialFile(const std::string& name, leveldb::SequentialFile** out) override {
    const auto file = find(name);
    if (!file) return missing(name);
    *out = new Sequential(*this, file);
    return Status::OK();
  }
  Status NewRandomAccessFile(const std::string& name, leveldb::RandomAccessFile** out) override {
    const auto file = find(name);
    if (!file) return missing(name);
    *out = new RandomAccess(*this, file);
    return Status::OK();
  }
  Status NewWritableFile(const std::string& name, leveldb::WritableFile** out) override {
    return change([&] {
      files_[name] = std::make_shared<File>();
      *out = new Writable(*this, files_[name]);
    });
  }
  Status NewAppendableFile(const std::string& name, leveldb::WritableFile** out) override {
    return change([&] {
      auto& file = files_[name];
      if (!file) file = std::make_shared<File>();
      *out = new Writable(*this, file);
    });
  }
  // The same bytes again. Requires: in their order, so that one piece follows the other.
  Status write_again(const std::string& name, std::size_t at, std::string_view data) {
    const auto file = find(name);
    if (!file) return missing(name);
    return change([&] {
      file->data.replace(at, data.size(), data);
      auto& [from, to] = file->given_up;
      if (at <= from && at + data.size() > from) from = std::min(at + data.size(), to);
    });
  }
  bool FileExists(const std::string& name) override { return find(name) != nullptr; }
  Status GetChildren(const std::string& folder, std::vector<std::string>* out) override {
    const std::lock_guard lock(mutex_);
    out->clear();
    for (const auto& [name, file] : files_)
      if (name.starts_with(folder + "/")) out->push_back(name.substr(folder.size() + 1));
    return Status::OK();
  }
  Status RemoveFile(const std::string& name) override {
    if (!find(name)) return missing(name);
    return change([&] { files_.erase(name); });
  }
  Status CreateDir(const std::string&) override { return Status::OK(); }
  Status RemoveDir(const std::string&) override { return Status::OK(); }
  Status GetFileSize(const std::string& name, std::uint64_t* size) override {
    const auto file = find(name);
    if (!file) return missing(name);
    *size = with_lock([&] { return file->data.size(); });
    return Status::OK();
  }
  Status RenameFile(const std::string& from, const std::string& to) override {
    if (!find(from)) return missing(from);
    return change([&] {
      files_[to] = files_[from];
      files_.erase(from);
    });
  }
  void Schedule(void (*work)(void*), void* argument) override {
    {
      const std::lock_guard lock(mutex_);
      if (held_) return waiting_.emplace_back(work, argument), void();
    }
    target()->Schedule(work, argument);
  }
  Status LockFile(const std::string& name, leveldb::FileLock** out) override {
    const std::lock_guard lock(mutex_);
    if (!locked_.insert(name).second) return Status::IOError("lock " + name, "already held by process");
    *out = new Lock(name);
    return Status::OK();
  }
  Status UnlockFile(leveldb::FileLock* held) override {
    const std::unique_ptr<Lock> lock(static_cast<Lock*>(held));
    with_lock([&] { return locked_.erase(lock->name); });
    return Status::OK();
  }

 private:
  struct File {
    std::string data;
    std::size_t synced = 0;
    // What a failed sync has left: it reads as before and is nowhere but in memory, and later syncs pass it
    // over, as those of a system do that tells of such a failure once.
    struct Range {
      std::size_t from = 0, to = 0;
    } given_up{};
  };
  using FilePtr = std::shared_ptr<File>;

  struct Lock final : leveldb::FileLock {
    explicit Lock(std::string n) : name(std::move(n)) {}
    std::string name;
  };

  class Sequential final : public leveldb::SequentialFile {
   public:
    Sequential(FaultEnv& env, FilePtr file) : env_(env), file_(std::move(file)) {}
    Status Read(std::size_t n, leveldb::Slice* out, char* scratch) override {
      const std::lock_guard lock(env_.mutex_);
      const std::size_t got = at_ < file_->data.size() ? file_->data.copy(scratch, n, at_) : 0;
      at_ += got;
      *out = leveldb::Slice(scratch, got);
      return Status::OK();
    }
    Status Skip(std::uint64_t n) override {
      at_ += n;
      return Status::OK();
    }

   private:
    FaultEnv& env_;
    FilePtr file_;
    std::size_t at_ = 0;
  };

  class RandomAccess final : public leveldb::RandomAccessFile {
   public:
    RandomAccess(FaultEnv& env, FilePtr file) : env_(env), file_(std::move(file)) {}
    Status Read(std::uint64_t at, std::size_t n, leveldb::Slice* out, char* scratch) const override {
      const std::lock_guard lock(env_.mutex_);
      const std::size_t got = at < file_->data.size() ? file_->data.copy(scratch, n, at) : 0;
      *out = leveldb::Slice(scratch, got);
      return Status::OK();
    }

   private:
    FaultEnv& env_;
    FilePtr file_;
  };

  class Writable final : public leveldb::WritableFile {
   public:
    Writable(FaultEnv& env, FilePtr file) : env_(env), file_(std::move(file)) {}
    Status Append(const leveldb::Slice& data) override {
      gathered_.append(data.data(), data.size());
      return gathered_.size() >= 65536 ? Flush() : Status::OK();
    }
    Status Flush() override {
      if (gathered_.empty()) return Status::OK();
      const std::string data = std::move(gathered_);
      gathered_.clear();
      return env_.append(*file_, data);
    }
    Status Sync() override {
      if (Status flushed = Flush(); !flushed.ok()) return flushed;
      return env_.sync(*file_);
    }
    Status Close() override { return Flush(); }

   private:
    FaultEnv& env_;
    FilePtr file_;
    std::string gathered_;
  };

  static Status missing(const std::string& name) {
    return Status::NotFound(name, "No such file or directory");
  }

  FilePtr find(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto at = files_.find(name);
    return at == files_.end() ? nullptr : at->second;
  }

  // Whether the next operation fails. Requires: the lock.
  bool fails() {
    const std::uint64_t now = operations_++;
    if (crash_at_ && now >= *crash_at_) crashed_ = true;
    return crashed_ || fail_at_ == now;
  }

  Status failure() const {
    return Status::IOError("medium", full_ ? "No space left on device" : "Input/output error");
  }

  template <class Work>
  Status change(Work work) {
    const std::lock_guard lock(mutex_);
    if (fails()) return failure();
    work();
    return Status::OK();
  }

  Status sync(File& file) {
    const std::lock_guard lock(mutex_);
    if (fails()) {
      if (file.given_up.from == file.given_up.to) file.given_up.from = file.synced;
      file.given_up.to = file.data.size();
      return failure();
    }
    if (file.given_up.from == file.given_up.to) file.synced = file.data.size();
    return Status::OK();
  }

  Status append(File& file, const std::string& data) {
    const std::lock_guard lock(mutex_);
    const bool crashed_before = crashed_;
    if (fails()) {
      // The crash hits in the middle of the write.
      if (crashed_ && !crashed_before) file.data += data.substr(0, data.size() / 2);
      return failure();
    }
    if (fail_every_ && ++appends_ % fail_every_ == 0) return failure();
    file.data += data;
    return Status::OK();
  }

  mutable std::mutex mutex_;
  std::map<std::string, FilePtr> files_;
  std::set<std::string> locked_;
  std::uint64_t operations_ = 0;
  std::uint64_t appends_ = 0;
  std::optional<std::uint64_t> fail_at_;
  std::optional<std::uint64_t> crash_at_;
  std::uint64_t fail_every_ = 0;
  bool crashed_ = false;
  bool full_ = false;
  bool held_ = false;
  std::vector<std::pair<void (*)(void*), void*>> waiting_;
};

}  // namespace sheaf::test
