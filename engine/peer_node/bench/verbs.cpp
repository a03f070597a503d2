#include "engine/peer_node/bench/verbs.hpp"

#include <algorithm>

#include "engine/peer_node/bench/fetch.hpp"
#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/verb_work.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr const char* core_name = "bench";

// The lines are made outside the coroutines: g++ 12 cannot keep a list of initializers across a wait.
Json ready_json(const Core& core, const Address& taken) {
  return {{"ready", 1}, {"key", to_string(core.key())}, {"port", taken.port}};
}

Json whole_json(const FetchedCore& fetched) {
  return {{"done", 1},
          {"s", fetched.seconds},
          {"first_s", fetched.first_seconds},
          {"cpu_s", fetched.cpu_seconds},
          {"blocks", fetched.blocks},
          {"bytes", fetched.bytes}};
}

Json singles_json(const FetchedSingles& fetched) {
  return {{"done", 1},
          {"s", fetched.seconds},
          {"cpu_s", fetched.cpu_seconds},
          {"n", fetched.micros.size()},
          {"p50_us", percentile(fetched.micros, 0.5)},
          {"p99_us", percentile(fetched.micros, 0.99)}};
}

Json ages_json(const std::vector<double>& ages) {
  return {{"done", 1},
          {"n", ages.size()},
          {"p50_us", percentile(ages, 0.5)},
          {"p90_us", percentile(ages, 0.9)},
          {"p99_us", percentile(ages, 0.99)},
          {"max_us", percentile(ages, 1)}};
}

Json append_json(const BenchLocalAppend& verb, double seconds, double cpu_seconds) {
  const auto count = static_cast<double>(verb.blocks);
  return {{"done", 1},
          {"s", seconds},
          {"cpu_s", cpu_seconds},
          {"blocks_s", count / seconds},
          {"MBps", count * static_cast<double>(verb.block_bytes) / 1e6 / seconds}};
}

asio::awaitable<Outcome> say_ready(BenchContext context, Node& node, const Core& core, std::uint16_t port) {
  const auto taken = co_await node.listen(here(context, port));
  if (!taken) co_return failed(taken.error(), "listen");
  co_return co_await say_and_idle(context.io, ready_json(core, *taken));
}

asio::awaitable<Outcome> serve_core(BenchContext context, const BenchServeCore& verb, Node& node) {
  auto core = co_await node.create_core(core_name);
  if (!core) co_return failed(core.error(), core_name);
  if (auto filled = co_await fill(*core, context.environment, verb.blocks, verb.block_bytes); !filled)
    co_return failed(filled.error(), core_name);
  co_return co_await say_ready(context, node, *core, verb.port);
}

asio::awaitable<Outcome> serve_live(BenchContext context, const BenchServeLive& verb, Node& node) {
  auto core = co_await node.create_core(core_name);
  if (!core) co_return failed(core.error(), core_name);
  Tasks tasks(co_await asio::this_coro::executor);
  const auto append = [](Core& core, Timers& timers, const BenchServeLive& verb,
                         Io& io) -> asio::awaitable<void> {
    const auto appended = co_await append_stamped(core, timers, verb.samples, verb.interval_ms);
    if (!appended && appended.error() != cancelled_error())
      co_await io.say("sheaf: append: " + appended.error().message());
  };
  tasks.start(append(*core, *context.environment.timers, verb, context.io));
  Outcome outcome = co_await say_ready(context, node, *core, verb.port);
  tasks.cancel();
  co_await tasks.join();
  co_return outcome;
}

// Follows the core and runs `work` while one session with the server lasts.
template <class Work>
asio::awaitable<Outcome> with_server(BenchContext context, Node& node, const CoreKey& key, std::uint16_t port,
                                     Work work) {
  auto core = co_await node.follow(key);
  if (!core) co_return failed(core.error(), to_string(key));
  co_return co_await while_connected(context, node, port, work(*core));
}

asio::awaitable<Outcome> measure_fetch_core(BenchContext context, const BenchFetchCore& verb, Core& core) {
  const auto fetched = co_await fetch_whole(core, verb.blocks);
  if (!fetched) co_return failed(fetched.error(), "fetch");
  co_return co_await say_and_idle(context.io, whole_json(*fetched));
}

asio::awaitable<Outcome> measure_fetch_sparse(BenchContext context, const BenchFetchSparse& verb,
                                              Core& core) {
  const auto fetched = co_await fetch_scattered(core, *context.environment.timers, verb.blocks, verb.gets);
  if (!fetched) co_return failed(fetched.error(), "get");
  co_return co_await say_and_idle(context.io, singles_json(*fetched));
}

asio::awaitable<Outcome> measure_fetch_live(BenchContext context, const BenchFetchLive& verb, Core& core) {
  const auto ages = co_await fetch_ages(core, verb.samples);
  if (!ages) co_return failed(ages.error(), "get");
  co_return co_await say_and_idle(context.io, ages_json(*ages));
}

asio::awaitable<Outcome> local_append(BenchContext context, const BenchLocalAppend& verb, Node& node) {
  auto core = co_await node.create_core(core_name);
  if (!core) co_return failed(core.error(), core_name);
  std::vector<Buffer> data(std::min<std::uint64_t>(verb.blocks, 1024), Buffer(verb.block_bytes));
  for (auto& block : data) context.environment.random->fill(block);
  const double begun = monotonic_s();
  const double cpu = own_cpu_s();
  for (std::uint64_t done = 0; done < verb.blocks;) {
    std::vector<Bytes> blocks;
    for (; blocks.size() < verb.batch && done < verb.blocks; ++done)
      blocks.push_back(data[done % data.size()]);
    if (auto appended = co_await core->append(std::span<const Bytes>(blocks)); !appended)
      co_return failed(appended.error(), core_name);
  }
  const double seconds = monotonic_s() - begun;
  co_return co_await say_and_idle(context.io, append_json(verb, seconds, own_cpu_s() - cpu));
}

}  // namespace

Address here(const BenchContext& context, std::uint16_t port) {
  Address address;
  address.scheme = context.over_web ? Scheme::ws : Scheme::tcp;
  address.host = "127.0.0.1";
  address.port = port;
  return address;
}

asio::awaitable<Outcome> say_and_idle(Io& io, Json line) {
  if (auto printed = co_await io.print(to_line(line)); !printed) co_return failed(printed.error(), "stdout");
  std::byte ignored[256];
  for (;;) {
    const auto got = co_await io.read(ignored);
    if (!got || *got == 0) co_return Outcome{};
  }
}

asio::awaitable<Outcome> while_connected(BenchContext context, Node& node, std::uint16_t port,
                                         asio::awaitable<Outcome> work) {
  auto both = co_await until_one_ends(std::move(work), node.connect(here(context, port), Until::ended));
  if (both.a_first || both.a.code == exit_code::done) co_return std::move(both.a);
  co_return outcome_of(both.b, to_string(here(context, port)));
}

asio::awaitable<Outcome> run(BenchContext context, const BenchServeCore& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return serve_core(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchServeLive& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return serve_live(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchCore& verb) {
  const auto measure = [&](Core& core) { return measure_fetch_core(context, verb, core); };
  co_return co_await on_node(context, verb.folder, [&](Node& node) {
    return with_server(context, node, verb.key, verb.port, measure);
  });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchSparse& verb) {
  const auto measure = [&](Core& core) { return measure_fetch_sparse(context, verb, core); };
  co_return co_await on_node(context, verb.folder, [&](Node& node) {
    return with_server(context, node, verb.key, verb.port, measure);
  });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchLive& verb) {
  const auto measure = [&](Core& core) { return measure_fetch_live(context, verb, core); };
  co_return co_await on_node(context, verb.folder, [&](Node& node) {
    return with_server(context, node, verb.key, verb.port, measure);
  });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchLocalAppend& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return local_append(context, verb, node); });
}

}  // namespace sheaf::peer_node
