#include "engine/peer_node/bench/single_engine.hpp"

#ifdef SHEAF_BENCH_ROCKSDB

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include "engine/peer_node/bench/single_engine_of.hpp"

namespace sheaf::peer_node {
namespace {

struct Settings {
  rocksdb::Options options;

  Settings() {
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.enable_blob_files = true;
    options.min_blob_size = 4096;
    options.blob_file_size = 128 << 20;
    options.enable_blob_garbage_collection = true;
    options.blob_garbage_collection_age_cutoff = 0.5;
    options.blob_garbage_collection_force_threshold = 0.5;
  }
};

}  // namespace

bool has_rocksdb() { return true; }

Result<std::unique_ptr<SingleEngine>> single_rocksdb(const std::filesystem::path& folder) {
  return SingleEngineOf<rocksdb::DB, rocksdb::Slice, Settings>::open(folder);
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
