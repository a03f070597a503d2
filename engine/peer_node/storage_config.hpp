// [[storage.store]] and [[storage.route]] of sheaf.toml.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include <toml++/toml.h>

#include "sheaf/storage/folder_store.hpp"

namespace sheaf::peer_node {

// Why something in the file is not accepted, and where, if it is not the value that was being read.
struct Refused {
  std::string why;
  const toml::node* at = nullptr;
  std::string key{};  // of `at` below that value, with a dot in front
};

std::uint64_t number_of(const toml::node& node);
std::uint64_t bytes_of(const toml::node& node);  // a number, or a text like "64 KiB"
std::string text_of(const toml::node& node);
std::vector<std::string> texts_of(const toml::node& node);

// All of these throw Refused.
void read_stores(StorageOptions& options, const toml::node& node);
void read_routes(StorageOptions& options, const toml::node& node);
// Whether every store has a place of its own, however its path is spelled and whatever links lead there: two
// would read and remove each other's files, or those that the node keeps in its folder. `storage` is the
// table that `options` was read from; relative paths begin in `folder`.
void check_folders(const StorageOptions& options, const toml::table& storage,
                   const std::filesystem::path& folder);
// Whether there is a store of that name; without any configured, there are the default ones.
bool has_store(const StorageOptions& options, const std::string& label);
// Whether every label that [storage] names is a store's.
void check_labels(const StorageOptions& options, const toml::table& storage);

}  // namespace sheaf::peer_node
