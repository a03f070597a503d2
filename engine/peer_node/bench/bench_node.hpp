// A node with a store of its own for one side of a measurement.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/environment.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf::peer_node {

// close() before it is destroyed.
struct BenchNode {
  std::unique_ptr<Backend> memory;  // when nothing is kept on disk
  std::unique_ptr<Node> node;

  boost::asio::awaitable<void> close();
};

// Fetches nothing that is not asked for, so that what is measured is what the verb does. `folder` is empty
// for a store in memory.
boost::asio::awaitable<Result<BenchNode>> open_bench_node(const std::filesystem::path& folder,
                                                          const Environment& environment);

// Appends random blocks, up to 256 or eight megabytes at a time, until the core has `length` of them.
boost::asio::awaitable<Result<void>> fill(Core& core, const Environment& environment, std::uint64_t length,
                                          std::uint64_t block_bytes);

// Until the core has an open channel with a peer.
boost::asio::awaitable<Result<void>> wait_for_peer(Core& core, Timers& timers);

}  // namespace sheaf::peer_node
