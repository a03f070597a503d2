// The store of a node's folder: a router whose root is the LevelDB in DIR/root, over the stores and routes
// that its owner configured.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/router.hpp"
#include "sheaf/storage/routes.hpp"

namespace sheaf {

struct StoreConfig {
  enum class Kind { memory, leveldb, log };
  std::string label;
  Kind kind = Kind::leveldb;
  std::filesystem::path folder;  // relative to DIR; not of a memory store
  bool adopt = false;
};

// Blocks and values from this size on go to the store `large` where no route is configured.
inline constexpr std::uint64_t large_value_bytes = 4 * 1024;

struct StorageOptions {
  // None: `small` (LevelDB) and `large` (log) in DIR.
  std::vector<StoreConfig> stores{};
  // None: large_value_bytes decides. A block that no route takes stays in the root, beside the state.
  std::vector<Route> routes{};
  // Of values that no route takes. Not given: `small` by default, or the only store, else none.
  std::optional<std::string> fallback{};
  std::size_t copies_least = 0;  // as in RouterOptions: so many copies acknowledge a put; 0: all of them
  bool rebuild_root = false;     // as in RouterOptions; a missing root is made then
};

// With the stores, routes and fallback that stand for those not given.
StorageOptions with_defaults(StorageOptions options);

// What DIR holds, open; DIR is made with mode 0700 where there is none, with `create`. Blocks. Fails with
// not_found (no root, and not `create`; `damaged` where its stores are there), and as Router::open();
// `trouble` then has the words. A root of an older format is migrated, which takes as long as it is large; a
// newer one answers newer_format. Throws std::invalid_argument for options that contradict each other.
Result<std::unique_ptr<Router>> open_folder_store(const std::filesystem::path& folder, bool create,
                                                  const StorageOptions& options, RandomSource* random,
                                                  std::string& trouble);

}  // namespace sheaf
