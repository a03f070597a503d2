#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include "engine/peer_node/bench/single_engine_of.hpp"
#include "sheaf/storage/leveldb_backend.hpp"

namespace sheaf::peer_node {
namespace {

struct Settings {
  std::unique_ptr<const leveldb::FilterPolicy> filter{leveldb::NewBloomFilterPolicy(10)};
  std::unique_ptr<leveldb::Cache> cache{leveldb::NewLRUCache(LevelDbOptions().cache_bytes)};
  leveldb::Options options;

  Settings() {
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = LevelDbOptions().write_buffer_bytes;
    options.max_file_size = options.write_buffer_size;
    options.block_size = 1024;
    options.max_open_files = 500;
    options.filter_policy = filter.get();
    options.block_cache = cache.get();
  }
};

}  // namespace

Result<std::unique_ptr<SingleEngine>> single_leveldb(const std::filesystem::path& folder) {
  return SingleEngineOf<leveldb::DB, leveldb::Slice, Settings>::open(folder);
}

}  // namespace sheaf::peer_node
