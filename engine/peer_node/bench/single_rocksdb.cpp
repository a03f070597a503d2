#include "engine/peer_node/bench/single_engine.hpp"

#ifdef SHEAF_BENCH_ROCKSDB

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <string>

#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {
namespace {

rocksdb::Slice slice(Bytes bytes) {
  const auto text = as_text(bytes);
  return {text.data(), text.size()};
}

Result<void> result(const rocksdb::Status& status) {
  if (status.ok()) return {};
  return status.IsNotFound() ? StorageErrc::not_found : StorageErrc::io_error;
}

class SingleRocksDb final : public SingleEngine {
 public:
  Result<void> open(const std::filesystem::path& folder) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.enable_blob_files = true;
    options.min_blob_size = 4096;
    options.blob_file_size = 128 << 20;
    options.enable_blob_garbage_collection = true;
    options.blob_garbage_collection_age_cutoff = 0.5;
    options.blob_garbage_collection_force_threshold = 0.5;
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(options, folder.string(), &db);
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
  std::unique_ptr<rocksdb::DB> db_;
  std::string value_;
};

}  // namespace

bool has_rocksdb() { return true; }

Result<std::unique_ptr<SingleEngine>> single_rocksdb(const std::filesystem::path& folder) {
  auto engine = std::make_unique<SingleRocksDb>();
  if (auto opened = engine->open(folder); !opened) return opened.error();
  return std::unique_ptr<SingleEngine>(std::move(engine));
}

}  // namespace sheaf::peer_node

#else

namespace sheaf::peer_node {

bool has_rocksdb() { return false; }

Result<std::unique_ptr<SingleEngine>> single_rocksdb(const std::filesystem::path&) {
  return boost::system::errc::make_error_code(boost::system::errc::operation_not_supported);
}

}  // namespace sheaf::peer_node

#endif
