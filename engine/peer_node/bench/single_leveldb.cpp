#include <string>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include "engine/peer_node/bench/single_engine.hpp"
#include "sheaf/storage/error.hpp"
#include "sheaf/storage/leveldb_backend.hpp"

namespace sheaf::peer_node {
namespace {

leveldb::Slice slice(Bytes bytes) {
  const auto text = as_text(bytes);
  return {text.data(), text.size()};
}

Result<void> result(const leveldb::Status& status) {
  if (status.ok()) return {};
  return status.IsNotFound() ? StorageErrc::not_found : StorageErrc::io_error;
}

class SingleLevelDb final : public SingleEngine {
 public:
  Result<void> open(const std::filesystem::path& folder) {
    const LevelDbOptions ours;
    filter_.reset(leveldb::NewBloomFilterPolicy(10));
    cache_.reset(leveldb::NewLRUCache(ours.cache_bytes));
    leveldb::Options options;
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = ours.write_buffer_bytes;
    options.max_file_size = ours.write_buffer_bytes;
    options.block_size = 1024;
    options.max_open_files = 500;
    options.filter_policy = filter_.get();
    options.block_cache = cache_.get();
    leveldb::DB* db = nullptr;
    const auto status = leveldb::DB::Open(options, folder.string(), &db);
    db_.reset(db);
    return result(status);
  }

  Result<void> put(Bytes key, Bytes value) override { return result(db_->Put({}, slice(key), slice(value))); }
  Result<void> get(Bytes key, Buffer& out) override {
    const auto status = db_->Get({}, slice(key), &value_);
    const Bytes value = as_bytes(value_);
    out.assign(value.begin(), value.end());
    return result(status);
  }
  Result<void> del(Bytes key) override { return result(db_->Delete({}, slice(key))); }

 private:
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;
  std::string value_;
};

}  // namespace

Result<std::unique_ptr<SingleEngine>> single_leveldb(const std::filesystem::path& folder) {
  auto engine = std::make_unique<SingleLevelDb>();
  if (auto opened = engine->open(folder); !opened) return opened.error();
  return std::unique_ptr<SingleEngine>(std::move(engine));
}

}  // namespace sheaf::peer_node
