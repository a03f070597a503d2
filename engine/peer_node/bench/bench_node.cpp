#include "engine/peer_node/bench/bench_node.hpp"

#include <algorithm>

#include "sheaf/storage/memory_backend.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

asio::awaitable<void> BenchNode::close() {
  if (node) co_await node->close();
}

asio::awaitable<Result<BenchNode>> open_bench_node(const std::filesystem::path& folder,
                                                   const Environment& environment) {
  NodeOptions options;
  options.sparse = true;
  // All connections of a measurement come at once, and from this machine.
  constexpr std::size_t connections = 20'000;
  options.limits.connections = connections;
  options.limits.connections_per_address = connections;
  options.limits.connections_per_second = connections;
  options.limits.half_open_sessions = connections;
  options.limits.half_open_per_address = connections;
  BenchNode bench;
  if (folder.empty()) {
    bench.memory = memory_backend();
    if (auto opened = bench.memory->open(); !opened) co_return opened.error();
    auto node = co_await Node::open(*bench.memory, environment, std::move(options));
    if (!node) co_return node.error();
    bench.node = std::move(*node);
  } else {
    auto node = co_await Node::open(folder, true, environment, std::move(options));
    if (!node) co_return node.error();
    bench.node = std::move(*node);
  }
  co_return bench;
}

asio::awaitable<Result<void>> fill(Core& core, const Environment& environment, std::uint64_t length,
                                   std::uint64_t block_bytes) {
  constexpr std::uint64_t most_blocks = 256;
  constexpr std::uint64_t most_bytes = 8'000'000;
  const std::uint64_t at_once =
      block_bytes == 0 ? most_blocks : std::clamp<std::uint64_t>(most_bytes / block_bytes, 1, most_blocks);
  const auto info = co_await core.info();
  if (!info) co_return info.error();
  Buffer random(at_once * block_bytes);
  for (std::uint64_t done = info->length.value; done < length;) {
    const std::uint64_t count = std::min(at_once, length - done);
    environment.random->fill(random);
    std::vector<Bytes> blocks;
    for (std::uint64_t i = 0; i < count; ++i)
      blocks.push_back(Bytes(random).subspan(i * block_bytes, block_bytes));
    if (auto appended = co_await core.append(std::span<const Bytes>(blocks)); !appended)
      co_return appended.error();
    done += count;
  }
  co_return Result<void>{};
}

asio::awaitable<Result<void>> wait_for_peer(Core& core, Timers& timers) {
  for (;;) {
    const auto info = co_await core.info();
    if (!info) co_return info.error();
    if (info->peers > 0) co_return Result<void>{};
    if (auto slept = co_await timers.sleep_until(timers.now() + std::chrono::milliseconds(2)); !slept)
      co_return slept.error();
  }
}

}  // namespace sheaf::peer_node
