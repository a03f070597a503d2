#include "sheaf/storage/folder_store.hpp"

#include <algorithm>
#include <stdexcept>

#include "sheaf/storage/leveldb_backend.hpp"
#include "sheaf/storage/log_backend.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "sheaf/storage/value_keys.hpp"
#include "storage/archive_lookup.hpp"
#include "storage/key_schema.hpp"
#include "storage/leveldb_seams.hpp"
#include "storage/root_format.hpp"
#include "storage/router_records.hpp"

namespace sheaf {
namespace {

namespace fs = std::filesystem;

constexpr const char* root_folder = "root";

// A batch of the router becomes one of the root with marks, pointers and a journal entry.
constexpr std::size_t root_batch_operations = 100'000;
constexpr std::size_t root_batch_bytes = 96 * 1024 * 1024;

constexpr std::size_t pointer_cache_bytes = 16 * 1024 * 1024;

// What a router puts around keys.
constexpr std::size_t key_overhead = 64;

std::unique_ptr<Backend> root_in(const fs::path& folder, bool create, RandomSource* random) {
  LevelDbOptions options;
  options.folder = (folder / root_folder).string();
  options.create = create;
  options.random = random;
  options.limits.key_bytes += key_overhead;
  options.limits.value_bytes += 1;
  options.limits.batch_operations = root_batch_operations;
  options.limits.batch_bytes = root_batch_bytes;
  // Each read and each overwrite of a value begins with its pointer.
  LevelDbSeams seams;
  seams.records = {.bytes = pointer_cache_bytes,
                   .prefix = router_records::entry_prefix[0],
                   .wanted = router_records::is_pointer};
  return leveldb_backend(options, seams);
}

std::unique_ptr<Backend> backend_of(const StoreConfig& config, const fs::path& folder, RandomSource* random) {
  const std::string path = (folder / config.folder).string();
  StoreLimits limits;
  limits.key_bytes += key_overhead;
  switch (config.kind) {
    case StoreConfig::Kind::memory: return memory_backend({.random = random, .limits = limits});
    case StoreConfig::Kind::leveldb: {
      LevelDbOptions options;
      options.folder = path;
      options.random = random;
      options.limits = limits;
      options.write_buffer_bytes = 8 * 1024 * 1024;
      return leveldb_backend(options);
    }
    case StoreConfig::Kind::log: return log_backend({.folder = path, .random = random, .limits = limits});
  }
  throw std::invalid_argument("a store of an unknown kind");
}

std::unique_ptr<ArchiveOfCore> archives_of(Backend& root, const std::vector<Route>& routes) {
  std::vector<CoreKey> named;
  for (const Route& route : routes) named.insert(named.end(), route.archives.begin(), route.archives.end());
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  return std::make_unique<ArchiveLookup>(root, std::move(named));
}

class TraitsOfFolder final : public TraitsByKey {
 public:
  Traits traits(Bytes key) const override { return keys::traits_of(key); }
};

bool holds_leveldb(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "CURRENT", error);
}

// Whether stores lie there without the root that knows what they hold.
bool root_is_lost(const fs::path& folder, const StorageOptions& options) {
  if (holds_leveldb(folder / root_folder)) return false;
  return std::any_of(options.stores.begin(), options.stores.end(), [&](const StoreConfig& config) {
    if (config.kind == StoreConfig::Kind::memory) return false;
    const fs::path store = folder / config.folder;
    return holds_leveldb(config.kind == StoreConfig::Kind::log ? store / "index" : store);
  });
}

}  // namespace

StorageOptions with_defaults(StorageOptions options) {
  if (options.stores.empty()) {
    options.stores.push_back({.label = "small", .kind = StoreConfig::Kind::leveldb, .folder = "small"});
    options.stores.push_back({.label = "large", .kind = StoreConfig::Kind::log, .folder = "large"});
    if (!options.fallback) options.fallback = "small";
    if (options.routes.empty())
      options.routes.push_back({.min_size = large_value_bytes, .to = {"large"}, .name = "the default route"});
  }
  if (!options.fallback && options.stores.size() == 1) options.fallback = options.stores.front().label;
  return options;
}

Result<std::unique_ptr<Router>> open_folder_store(const fs::path& folder, bool create,
                                                  const StorageOptions& given, RandomSource* random,
                                                  std::string& trouble) {
  const StorageOptions options = with_defaults(given);
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
  routed.fallback = options.fallback.value_or(std::string());
  routed.copies_least = options.copies_least;
  routed.tidying = thread_lane();
  routed.random = random;
  routed.rebuild_root = options.rebuild_root;
  // A value that gets a fresh key is an application's, and its key one that can be written down.
  routed.fresh_prefix = to_buffer(keys::all_values().first);
  routed.fresh_text = true;
  static const TraitsOfFolder traits;
  routed.traits = &traits;
  routed.limits.key_bytes = value_key_bytes_most + routed.fresh_prefix.size();

  std::error_code error;
  if (create && !fs::exists(folder, error)) {
    fs::create_directories(folder, error);
    if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  }
  if (error) return Error(error.value(), boost::system::system_category());
  const bool lost = root_is_lost(folder, options);
  if (lost && !create && !options.rebuild_root) {
    trouble = "the root is gone beside stores that hold copies: the root was lost";
    return StorageErrc::damaged;
  }
  auto root = root_in(folder, create || lost, random);
  routed.mapper = route_mapper(options.routes, std::move(labels), archives_of(*root, options.routes));
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
  // Nobody else can write to these stores while they are ours, so this is when something is found. What is
  // not taken in now is at the next opening.
  if (!options.rebuild_root) (void)made->absorb();
  return made;
}

}  // namespace sheaf
