#include "sheaf/storage/folder_store.hpp"

#include <stdexcept>

#include "sheaf/storage/leveldb_backend.hpp"
#include "sheaf/storage/log_backend.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "storage/root_format.hpp"

namespace sheaf {
namespace {

namespace fs = std::filesystem;

// A batch of the router becomes one of the root with marks, pointers and reverse records.
constexpr std::size_t root_batch_operations = 100'000;
constexpr std::size_t root_batch_bytes = 96 * 1024 * 1024;

std::unique_ptr<Backend> root_in(const fs::path& folder, bool create, RandomSource* random) {
  LevelDbOptions options;
  options.folder = (folder / "root").string();
  options.create = create;
  options.random = random;
  options.limits.key_bytes += 64;
  options.limits.value_bytes += 1;
  options.limits.batch_operations = root_batch_operations;
  options.limits.batch_bytes = root_batch_bytes;
  return leveldb_backend(options);
}

StorageOptions completed(StorageOptions options) {
  if (options.stores.empty()) {
    options.stores.push_back({.label = "small", .kind = StoreConfig::Kind::leveldb, .folder = "small"});
    options.stores.push_back({.label = "large", .kind = StoreConfig::Kind::log, .folder = "large"});
    if (!options.fallback) options.fallback = "small";
    if (options.routes.empty())
      options.routes.push_back(
          {.min_size = large_value_bytes,
           .to = {"large"},
           .name = "by default, values of " + std::to_string(large_value_bytes) + " bytes or more"});
  }
  if (!options.fallback && options.stores.size() == 1) options.fallback = options.stores.front().label;
  return options;
}

std::unique_ptr<Backend> backend_of(const StoreConfig& config, const fs::path& folder, RandomSource* random) {
  const std::string path = (folder / config.folder).string();
  switch (config.kind) {
    case StoreConfig::Kind::memory: return memory_backend({.random = random});
    case StoreConfig::Kind::leveldb: {
      LevelDbOptions options;
      options.folder = path;
      options.random = random;
      options.write_buffer_bytes = 8 * 1024 * 1024;
      return leveldb_backend(options);
    }
    case StoreConfig::Kind::log: return log_backend({.folder = path, .random = random});
  }
  throw std::invalid_argument("a store of an unknown kind");
}

}  // namespace

Result<std::unique_ptr<Router>> open_folder_store(const fs::path& folder, bool create,
                                                  const StorageOptions& given, RandomSource* random,
                                                  std::string& trouble) {
  const StorageOptions options = completed(given);
  RouterOptions routed;
  std::vector<std::string> labels;
  for (const StoreConfig& config : options.stores) {
    RoutedStore store{
        .label = config.label, .owned = backend_of(config, folder, random), .adopt = config.adopt};
    // What shares the root's disk cannot be slower than that; another disk gets a lane of its own.
    if (config.kind != StoreConfig::Kind::memory && config.folder.is_absolute())
      store.own_lane = thread_lane();
    labels.push_back(config.label);
    routed.stores.push_back(std::move(store));
  }
  routed.mapper = route_mapper(options.routes, std::move(labels));
  routed.fallback = options.fallback.value_or(std::string());
  routed.random = random;
  routed.rebuild_root = options.rebuild_root;

  std::error_code error;
  if (create && !fs::exists(folder, error)) {
    fs::create_directories(folder, error);
    if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  }
  if (error) return Error(error.value(), boost::system::system_category());
  auto root = root_in(folder, create, random);
  auto prepared = root->open();
  if (prepared) prepared = prepare_root(*root);
  if (!prepared) {
    trouble = "root: " + root->trouble();
    return prepared.error();
  }
  routed.root.owned = std::move(root);
  auto made = router(std::move(routed));
  if (auto opened = made->open(); !opened) {
    trouble = made->trouble();
    return opened.error();
  }
  return made;
}

}  // namespace sheaf
