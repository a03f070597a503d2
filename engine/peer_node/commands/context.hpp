// What every command works with: the open node and what the process around it knows.
#pragma once

#include <cstdint>
#include <optional>

#include <boost/asio/awaitable.hpp>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/config.hpp"
#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/io.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/storage/folder_store.hpp"
#include "sheaf/storage/router.hpp"

namespace sheaf::peer_node {

struct CommandContext {
  Node& node;
  Router& store;                   // what the node keeps everything in; an application's values lie beside it
  const StorageOptions& storage;   // as the store was opened
  const Environment& environment;  // the one that the node was opened with
  Timers& timers;
  const GlobalOptions& global;
  const Config& config;                   // the one of the folder, for this call
  const std::uint64_t& sessions_started;  // by the node, since it was opened
  bool node_is_sparse = false;
  bool tells_anyone = true;                     // the node was opened to tell whoever connects what is here
  std::optional<std::uint64_t> root_rebuilt{};  // so many values, before the node was opened
};

// By key or name; EngineErrc::not_found.
boost::asio::awaitable<Result<Core>> find_core(Node& node, const CoreRef& ref);

// As find_core(), with the reason for the user: which core, and how it would come here.
Outcome no_such_core(const Error& error, const CoreRef& ref);

// Of an archive that was to be read. `what`: it, or what was looked for in it.
Outcome cannot_be_read(const Error& error, const std::string& what);

}  // namespace sheaf::peer_node
