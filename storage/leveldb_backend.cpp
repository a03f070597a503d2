#include "sheaf/storage/leveldb_backend.hpp"

#include <atomic>
#include <cerrno>
#include <shared_mutex>
#include <sys/stat.h>
#include <vector>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include "storage/backend_support.hpp"
#include "storage/change_hub.hpp"
#include "storage/leveldb_env.hpp"
#include "storage/leveldb_files.hpp"
#include "storage/leveldb_log_tail.hpp"
#include "storage/leveldb_seams.hpp"
#include "storage/leveldb_status.hpp"
#include "storage/space_gauge.hpp"

namespace sheaf {
namespace {

// An open database with what it leans on; cursors hold on to it, too.
struct Opened {
  std::unique_ptr<const leveldb::FilterPolicy> filter;
  std::unique_ptr<leveldb::Cache> cache;
  std::unique_ptr<leveldb::Logger> log;
  std::unique_ptr<leveldb::DB> db;
};

class LevelDbCursor final : public Cursor {
 public:
  LevelDbCursor(std::shared_ptr<Opened> opened, const KeyRange& range)
      : opened_(std::move(opened)),
        bounds_(range),
        reverse_(range.reverse),
        keys_only_(range.keys_only),
        left_(range.limit) {
    leveldb::ReadOptions options;
    options.verify_checksums = !keys_only_;
    options.fill_cache = false;
    at_.reset(opened_->db->NewIterator(options));
  }

  Result<bool> next() override {
    if (failed_) return {boost::system::in_place_error, Error(*failed_)};
    if (left_ == 0) return false;
    --left_;
    if (!placed_)
      place();
    else if (reverse_)
      at_->Prev();
    else
      at_->Next();
    placed_ = true;
    // Of a table that it cannot read LevelDB leaves out what it cannot read and goes on, to older entries of
    // the same keys for instance, and says so in the status alone.
    if (const leveldb::Status status = at_->status(); !status.ok()) {
      failed_ = to_errc(status);
      return {boost::system::in_place_error, Error(*failed_)};
    }
    if (!at_->Valid()) {
      left_ = 0;
      return false;
    }
    if (reverse_ ? bounds_.above_lower(key()) : bounds_.below_upper(key())) return true;
    left_ = 0;
    return false;
  }

  Bytes key() const override { return from_slice(at_->key()); }
  Bytes value() const override { return keys_only_ ? Bytes{} : from_slice(at_->value()); }

 private:
  void place() {
    if (!reverse_) {
      bounds_.lower() ? at_->Seek(to_slice(*bounds_.lower())) : at_->SeekToFirst();
      if (at_->Valid() && !bounds_.above_lower(key())) at_->Next();
      return;
    }
    if (bounds_.upper()) at_->Seek(to_slice(*bounds_.upper()));
    if (!bounds_.upper() || !at_->Valid())
      at_->SeekToLast();
    else if (!bounds_.below_upper(key()))
      at_->Prev();
  }

  std::shared_ptr<Opened> opened_;
  Bounds bounds_;
  const bool reverse_;
  const bool keys_only_;
  std::uint64_t left_;
  bool placed_ = false;
  std::optional<StorageErrc> failed_;
  std::unique_ptr<leveldb::Iterator> at_;
};

class LevelDbBackend final : public Backend {
 public:
  LevelDbBackend(const LevelDbOptions& options, const LevelDbSeams& seams)
      : options_(options),
        real_(seams.env == nullptr),
        env_(real_ ? *leveldb::Env::Default() : *seams.env),
        own_gauge_(real_ && !seams.space ? folder_gauge(options.folder) : nullptr),
        gauge_(seams.space ? seams.space : own_gauge_.get()),
        records_(seams.records),
        fresh_keys_(options.random) {}

  ~LevelDbBackend() override { (void)close(); }

  Result<void> open() override {
    const std::unique_lock lock(open_);
    if (opened_) return {};
    // LevelDB makes missing folders open to all; ours are not.
    if (real_ && options_.create && ::mkdir(options_.folder.c_str(), 0700) != 0 && errno == ENOENT) {
      note("there is no folder for it to lie in: " + options_.folder);
      return StorageErrc::io_error;
    }
    if (tables_without_current(env_, options_.folder)) {
      note("the folder holds data but its CURRENT file is missing: " + options_.folder);
      return StorageErrc::damaged;
    }
    if (altered_log_tail(env_, options_.folder)) {
      note("a log ends in a record whose length was altered: " + options_.folder);
      return StorageErrc::damaged;
    }
    if (!options_.create && !env_.FileExists(options_.folder + "/CURRENT")) return StorageErrc::not_found;

    auto opened = std::make_shared<Opened>();
    opened->filter.reset(leveldb::NewBloomFilterPolicy(10));
    opened->cache.reset(leveldb::NewLRUCache(options_.cache_bytes));
    // Its own log only grows and tells nothing that the status does not.
    leveldb::Logger* log = nullptr;
    if (leveldb::Env::Default()->NewLogger("/dev/null", &log).ok()) opened->log.reset(log);

    leveldb::DB* db = nullptr;
    const leveldb::Status status = leveldb::DB::Open(tuned(*opened), options_.folder, &db);
    opened->db.reset(db);
    if (!status.ok()) return failed(status);
    if (real_ && !sync_folder(options_.folder)) return StorageErrc::io_error;
    opened_ = std::move(opened);
    poisoned_ = false;
    env_.forget_failure();
    space_.emplace(gauge_ ? *gauge_ : endless_, options_.floor);
    return {};
  }

  Result<void> close() override {
    const std::unique_lock lock(open_);
    changes_.end();
    opened_.reset();
    records_.clear();
    return {};
  }

  Result<void> reopen() override {
    {
      const std::unique_lock lock(open_);
      if (opened_ && !space_->above_floor()) return StorageErrc::full;
    }
    return Backend::reopen();
  }

  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override {
    const std::shared_lock lock(open_);
    if (!opened_) return StorageErrc::closed;
    if (records_.find(key, out)) return {};
    const std::uint64_t begun = records_.begin_read();
    // LevelDB gives values only as strings; a thread's own one spares the allocation.
    thread_local std::string value;
    leveldb::ReadOptions options;
    options.verify_checksums = checked == Checked::yes;
    const leveldb::Status status = opened_->db->Get(options, to_slice(key), &value);
    if (status.ok()) append(out, as_bytes(value));
    if (status.ok() && options.verify_checksums) records_.end_read(begun, key, as_bytes(value));
    if (value.capacity() > kept_value_bytes) std::string().swap(value);
    if (status.ok()) return {};
    const StorageErrc error = to_errc(status);
    if (error != StorageErrc::not_found) note(status.ToString());
    return error;
  }

  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override {
    Buffer key = fresh_keys_.next();
    if (auto stored = put(key, value, traits, durable); !stored) return stored.error();
    return key;
  }

  Result<void> write(const Batch& batch, Durable durable) override {
    if (auto fits = check_limits(batch, options_.limits); !fits) return fits;
    const std::shared_lock lock(open_);
    if (!opened_) return StorageErrc::closed;
    // One at a time, although LevelDB would take more: a write that it would take while another one fails
    // must not be acknowledged.
    const std::lock_guard writing(writing_);
    if (poisoned_) return StorageErrc::poisoned;
    if (!space_->admits(batch.bytes()) && !only_deletes(batch)) return StorageErrc::full;

    scratch_.Clear();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Batch::Operation operation = batch[i];
      switch (operation.kind) {
        case Batch::Kind::put: scratch_.Put(to_slice(operation.key), to_slice(operation.value)); break;
        case Batch::Kind::del: scratch_.Delete(to_slice(operation.key)); break;
      }
    }
    leveldb::WriteOptions options;
    options.sync = durable == Durable::yes;
    records_.begin_write(batch);
    leveldb::Status status = opened_->db->Write(options, &scratch_);
    if (scratch_.ApproximateSize() > kept_batch_bytes) scratch_ = leveldb::WriteBatch();
    if (status.ok() && env_.log_failed())
      status = leveldb::Status::IOError(options_.folder, "a log was not synced");
    records_.end_write(batch, status.ok());
    if (!status.ok()) {
      poisoned_ = true;
      return failed(status);
    }
    changes_.publish(batch);
    return {};
  }

  Result<void> sync() override { return write(Batch{}, Durable::yes); }

  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
    const std::shared_lock lock(open_);
    if (!opened_) return StorageErrc::closed;
    return std::unique_ptr<Cursor>(std::make_unique<LevelDbCursor>(opened_, range));
  }

  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override {
    const std::shared_lock lock(open_);
    if (!opened_) return StorageErrc::closed;
    const std::lock_guard writing(writing_);
    return changes_.subscribe(options);
  }

  bool poisoned() const override { return poisoned_; }
  const StoreLimits& limits() const override { return options_.limits; }
  std::string trouble() const override {
    const std::lock_guard lock(noting_);
    return trouble_;
  }

 private:
  class Endless final : public SpaceGauge {
    Space measure() override { return {}; }
  };

  static constexpr std::size_t kept_value_bytes = 4 * 1024 * 1024;
  static constexpr std::size_t kept_batch_bytes = 8 * 1024 * 1024;

  leveldb::Options tuned(const Opened& opened) const {
    leveldb::Options options;
    options.env = &env_;
    options.info_log = opened.log.get();
    options.create_if_missing = options_.create;
    // A damaged log or table refuses to open instead of being skipped over.
    options.paranoid_checks = true;
    // 600 blocks of 100 bytes with two nodes each a commit: 2.9 us of CPU a block with write buffers of 4
    // MiB, 2.1 with 16 and 32, 2.0 with 64 (raw LevelDB: 1.7 with 4, 1.2 with 64). Blocks in a store of their
    // own (32 MiB): 1.7 us, and for 64 KiB blocks 1.7 instead of 2.7 CPU s/GB, since LevelDB moves tables of
    // ascending keys down its levels without rewriting them.
    options.write_buffer_size = options_.write_buffer_bytes;
    options.max_file_size = options_.write_buffer_bytes;
    options.block_cache = opened.cache.get();
    options.filter_policy = opened.filter.get();
    // With tables mapped into memory, a checked read sums up a whole table block each time. Random checked
    // reads of 100 bytes cost 2.6 us with blocks of 1 KiB and 5.3 us with 4 KiB, writing the same.
    options.block_size = 1024;
    options.max_open_files = 500;
    options.compression = leveldb::kNoCompression;
    return options;
  }

  StorageErrc failed(const leveldb::Status& status) {
    note(status.ToString());
    return to_errc(status);
  }

  void note(std::string trouble) {
    const std::lock_guard lock(noting_);
    trouble_ = std::move(trouble);
  }

  const LevelDbOptions options_;
  const bool real_;
  mutable LogSyncingEnv env_;
  Endless endless_;
  const std::unique_ptr<SpaceGauge> own_gauge_;
  SpaceGauge* const gauge_;
  RecordCache records_;
  FreshKeys fresh_keys_;

  std::shared_mutex open_;  // shared by calls, alone for open and close
  std::shared_ptr<Opened> opened_;

  std::mutex writing_;  // orders writes; guards what follows
  leveldb::WriteBatch scratch_;
  std::optional<SpaceGuard> space_;
  ChangeHub changes_;

  std::atomic<bool> poisoned_{false};
  mutable std::mutex noting_;
  std::string trouble_;
};

}  // namespace

std::unique_ptr<Backend> leveldb_backend(const LevelDbOptions& options) {
  return std::make_unique<LevelDbBackend>(options, LevelDbSeams{});
}

std::unique_ptr<Backend> leveldb_backend(const LevelDbOptions& options, const LevelDbSeams& seams) {
  return std::make_unique<LevelDbBackend>(options, seams);
}

}  // namespace sheaf
