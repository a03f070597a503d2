#include "engine/peer_node/bench/fetch.hpp"

#include <algorithm>

#include "engine/peer_node/bench/bench_node.hpp"
#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t stamp_bytes = 8;

std::uint64_t stamp_of(const Buffer& block) {
  std::uint64_t stamp = 0;
  for (std::size_t i = 0; i < std::min(block.size(), stamp_bytes); ++i)
    stamp |= std::to_integer<std::uint64_t>(block[i]) << (8 * i);
  return stamp;
}

asio::awaitable<Result<void>> first_block(CoreEvents& events) {
  for (;;) {
    const auto event = co_await events.next();
    if (!event) co_return event.error();
    if (event->kind == CoreEvent::Kind::blocks_stored || event->kind == CoreEvent::Kind::gap)
      co_return Result<void>{};
  }
}

asio::awaitable<Result<Length>> first_length(CoreEvents& events) {
  for (;;) {
    const auto event = co_await events.next();
    if (!event) co_return event.error();
    if (event->kind == CoreEvent::Kind::length_grew) co_return event->length;
  }
}

asio::awaitable<void> time_first_block(Core& core, double begun, double& into) {
  auto events = co_await core.watch();
  if (!events) co_return;
  if (auto first = co_await first_block(*events)) into = monotonic_s() - begun;
}

asio::awaitable<Result<void>> download(Core& core, std::uint64_t blocks) {
  if (blocks == 0) {
    const auto length = co_await first_length_of(core);
    if (!length) co_return length.error();
    blocks = length->value;
  }
  co_return co_await core.download({{0}, {blocks}});
}

asio::awaitable<void> keep_downloading(Core& core) {
  [[maybe_unused]] const auto ended = co_await core.download({{0}, Core::no_end});
}

// The next block, as soon as there is one: what lies past the end becomes a block when the core grows.
asio::awaitable<Result<Buffer>> get_when_there(Core& core, CoreEvents& events, BlockIndex index) {
  for (;;) {
    auto block = co_await core.get(index, Core::From::peers);
    const bool past_the_end = block.has_error() && block.error() == make_error_code(EngineErrc::out_of_range);
    if (!past_the_end) co_return block;
    if (auto event = co_await events.next(); !event) co_return event.error();
  }
}

asio::awaitable<Result<std::vector<double>>> take_ages(Core& core, std::uint64_t samples) {
  auto events = co_await core.watch();
  if (!events) co_return events.error();
  std::vector<double> ages;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const auto block = co_await get_when_there(core, *events, {i});
    if (!block) co_return block.error();
    ages.push_back(static_cast<double>(monotonic_ns() - stamp_of(*block)) / 1e3);
  }
  std::sort(ages.begin(), ages.end());
  co_return ages;
}

}  // namespace

asio::awaitable<Result<Length>> first_length_of(Core& core) {
  auto events = co_await core.watch();
  if (!events) co_return events.error();
  const auto info = co_await core.info();
  if (!info) co_return info.error();
  if (info->length.value > 0) co_return info->length;
  co_return co_await first_length(*events);
}

asio::awaitable<Result<FetchedCore>> fetch_whole(Core& core, std::uint64_t blocks) {
  FetchedCore fetched;
  const double begun = monotonic_s();
  const double cpu = own_cpu_s();
  Tasks tasks(co_await asio::this_coro::executor);
  tasks.start(time_first_block(core, begun, fetched.first_seconds));
  const auto downloaded = co_await download(core, blocks);
  fetched.seconds = monotonic_s() - begun;
  fetched.cpu_seconds = own_cpu_s() - cpu;
  tasks.cancel();
  co_await tasks.join();
  if (!downloaded) co_return downloaded.error();
  const auto info = co_await core.info();
  if (!info) co_return info.error();
  fetched.blocks = info->contiguous.value;
  fetched.bytes = info->bytes.value;
  co_return fetched;
}

asio::awaitable<Result<FetchedSingles>> fetch_scattered(Core& core, Timers& timers, std::uint64_t blocks,
                                                        std::uint64_t gets) {
  if (auto there = co_await wait_for_peer(core, timers); !there) co_return there.error();
  if (auto updated = co_await core.update(); !updated) co_return updated.error();
  if (auto first = co_await core.get({0}); !first) co_return first.error();
  FetchedSingles fetched;
  const double begun = monotonic_s();
  const double cpu = own_cpu_s();
  // The same places as the other programs of the contract: Lehmer's generator from 1.
  std::uint64_t place = 1;
  for (std::uint64_t i = 0; i < gets; ++i) {
    place = place * 48271 % 2147483647;
    const double from = monotonic_s();
    if (auto block = co_await core.get({place % blocks}); !block) co_return block.error();
    fetched.micros.push_back((monotonic_s() - from) * 1e6);
  }
  fetched.seconds = monotonic_s() - begun;
  fetched.cpu_seconds = own_cpu_s() - cpu;
  std::sort(fetched.micros.begin(), fetched.micros.end());
  co_return fetched;
}

asio::awaitable<Result<std::vector<double>>> fetch_ages(Core& core, std::uint64_t samples) {
  Tasks tasks(co_await asio::this_coro::executor);
  tasks.start(keep_downloading(core));
  auto ages = co_await take_ages(core, samples);
  tasks.cancel();
  co_await tasks.join();
  co_return ages;
}

asio::awaitable<Result<void>> append_stamped(Core& core, Timers& timers, std::uint64_t samples,
                                             std::uint64_t interval_ms) {
  constexpr std::size_t block_bytes = 64;
  if (auto there = co_await wait_for_peer(core, timers); !there) co_return there.error();
  const Instant begin = timers.now() + std::chrono::seconds(1);
  const Duration interval = std::chrono::milliseconds(interval_ms);
  for (std::uint64_t i = 0; i < samples; ++i) {
    const Instant when = begin + interval * static_cast<std::int64_t>(i);
    if (auto slept = co_await timers.sleep_until(when); !slept) co_return slept.error();
    Buffer block(block_bytes);
    const std::uint64_t stamp = monotonic_ns();
    for (std::size_t byte = 0; byte < stamp_bytes; ++byte)
      block[byte] = static_cast<std::byte>(stamp >> (8 * byte));
    if (auto appended = co_await core.append(Bytes(block)); !appended) co_return appended.error();
  }
  co_return Result<void>{};
}

}  // namespace sheaf::peer_node
