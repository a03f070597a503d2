// sheaf.toml: what a folder's owner settles once instead of saying it with every command.
//
// Known here: [node] listen, peers, web_hosts, web_origins; [bundle] policy, allow, allow_peers, announce,
// max_archives, quota_archive; every name of [limits] (sheaf/protocol/limits.hpp), a number, or for bytes
// also a text like "64 KiB"; [log] level; [storage] durability, fallback, copies_least, and the lists
// [[storage.store]] and [[storage.route]] (sheaf/storage/folder_store.hpp, routes.hpp). The keys of later
// versions are refused by name, because a bound that is silently missing would be worse than an error.
//
// An environment variable SHEAF_SECTION_KEY (SHEAF_LOG_LEVEL, SHEAF_LIMITS_CONNECTIONS, ...) beats the file;
// in it, the values of a list stand with spaces or commas between them.
#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/peer_node/surroundings.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/net/address.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/storage/folder_store.hpp"

namespace sheaf::peer_node {

enum class LogLevel { error, warning, info, debug };

struct Config {
  std::vector<Address> listen;
  std::vector<Address> peers;
  std::vector<PublicKey> allow_peers;  // empty: anyone
  Policy policy = Policy::open;
  std::vector<CoreKey> allow;  // archives, for Policy::allowlist
  Announce announce = Announce::all;
  std::size_t max_archives = NodeOptions().max_archives;
  ByteCount quota_archive = NodeOptions().quota_archive;
  std::vector<std::string> web_hosts;  // as in NodeOptions
  std::vector<std::string> web_origins;
  Limits limits;
  LogLevel log_level = LogLevel::info;
  Durability durability = Durability::crash;
  StorageOptions storage;
};

// What is wrong, as "FILE:LINE: key: why".
class BadConfig : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `text` is the content of `file`, whose name is only for messages; of `folder` and where stores are to lie
// it is only asked where links lead. Throws BadConfig.
Config parse_config(std::string_view text, const std::string& file, const std::filesystem::path& folder,
                    const Surroundings& around);

// The file, or nothing but defaults and the environment when no file was named and the folder has none.
// Throws BadConfig, also when a named file cannot be read or any is larger than a megabyte.
Config load_config(const std::optional<std::filesystem::path>& named, const std::filesystem::path& folder,
                   const Surroundings& around);

}  // namespace sheaf::peer_node
