// The verbs with many cores, and with many connections: serve-many, fetch-many, fetch-idle.
#include <fstream>

#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/verb_work.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// The lines are made outside the coroutines: g++ 12 cannot keep a list of initializers across a wait.
Json keys_json(const std::filesystem::path& keys, double seconds) {
  return {{"ready", 1}, {"keys", keys.string()}, {"make_s", seconds}};
}

Json many_json(double opening, double fetching, double cpu_seconds) {
  return {{"done", 1},
          {"s", opening + fetching},
          {"open_s", opening},
          {"sync_s", fetching},
          {"cpu_s", cpu_seconds}};
}

Json phase_json(const char* phase, double seconds, double cpu_seconds) {
  return {{"phase", phase}, {"s", seconds}, {"cpu_s", cpu_seconds}};
}

Error unreadable() { return boost::system::errc::make_error_code(boost::system::errc::io_error); }

std::filesystem::path keys_beside(std::filesystem::path folder) { return folder += ".keys"; }

Result<void> write_keys(const std::filesystem::path& path, const std::vector<CoreKey>& keys) {
  std::ofstream file(path);
  for (const CoreKey& key : keys) file << to_string(key) << '\n';
  return file.flush() ? Result<void>{} : unreadable();
}

Result<std::vector<CoreKey>> read_keys(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<CoreKey> keys;
  for (std::string line; std::getline(file, line);) {
    const auto key = key_from_text<CoreKey>(line);
    if (!key) return unreadable();
    keys.push_back(*key);
  }
  if (!file.eof() || keys.empty()) return unreadable();
  return keys;
}

asio::awaitable<Result<void>> fill_one(BenchContext context, const BenchServeMany& verb, Node& node,
                                       std::uint64_t number, std::vector<CoreKey>& keys) {
  auto core = co_await node.create_core("core-" + std::to_string(number));
  if (!core) co_return core.error();
  keys.push_back(core->key());
  co_return co_await fill(*core, context.environment, verb.blocks, verb.block_bytes);
}

asio::awaitable<Outcome> serve_many(BenchContext context, const BenchServeMany& verb, Node& node) {
  const double begun = monotonic_s();
  std::vector<CoreKey> keys;
  for (std::uint64_t i = 0; i < verb.cores; ++i)
    if (auto filled = co_await fill_one(context, verb, node, i, keys); !filled)
      co_return failed(filled.error(), "core-" + std::to_string(i));
  const auto path = keys_beside(verb.folder);
  if (auto written = write_keys(path, keys); !written) co_return failed(written.error(), path.string());
  const double seconds = monotonic_s() - begun;
  const auto taken = co_await node.listen(here(context, verb.port));
  if (!taken) co_return failed(taken.error(), "listen");
  co_return co_await say_and_idle(context.io, keys_json(path, seconds));
}

// The first error of several fetches.
asio::awaitable<void> fetch_first(Core& core, std::uint64_t blocks, Result<void>& into) {
  auto fetched = co_await core.download({{0}, {blocks}});
  if (!fetched && into) into = fetched;
}

asio::awaitable<Result<void>> fetch_all(std::vector<Core>& cores, std::uint64_t blocks) {
  Result<void> out;
  Tasks tasks(co_await asio::this_coro::executor);
  for (Core& core : cores) tasks.start(fetch_first(core, blocks, out));
  co_await tasks.join_or_cancel();
  co_return out;
}

asio::awaitable<Outcome> measure_many(BenchContext context, const BenchFetchMany& verb,
                                      std::vector<Core>& cores, double opening, double cpu) {
  const double begun = monotonic_s();
  if (auto fetched = co_await fetch_all(cores, verb.blocks); !fetched)
    co_return failed(fetched.error(), "fetch");
  const double seconds = monotonic_s() - begun;
  co_return co_await say_and_idle(context.io, many_json(opening, seconds, own_cpu_s() - cpu));
}

asio::awaitable<Outcome> fetch_many(BenchContext context, const BenchFetchMany& verb, Node& node) {
  const auto keys = read_keys(verb.keys);
  if (!keys) co_return failed(keys.error(), verb.keys.string());
  const double cpu = own_cpu_s();
  const double begun = monotonic_s();
  std::vector<Core> cores;
  for (const CoreKey& key : *keys) {
    auto core = co_await node.follow(key);
    if (!core) co_return failed(core.error(), to_string(key));
    cores.push_back(std::move(*core));
  }
  const double opening = monotonic_s() - begun;
  co_return co_await while_connected(context, node, verb.port,
                                     measure_many(context, verb, cores, opening, cpu));
}

asio::awaitable<void> keep_connected(Node& node, Address server) {
  [[maybe_unused]] const auto ended = co_await node.connect(std::move(server), Until::ended);
}

asio::awaitable<Result<void>> until_peers(Core& core, Timers& timers, std::uint64_t least) {
  for (;;) {
    const auto info = co_await core.info();
    if (!info) co_return info.error();
    if (info->peers >= least) break;
    if (auto slept = co_await timers.sleep_until(timers.now() + std::chrono::milliseconds(5)); !slept)
      co_return slept.error();
  }
  // Until each of them has said how long the core is.
  const auto updated = co_await core.update();
  co_return updated ? Result<void>{} : updated.error();
}

asio::awaitable<Result<void>> until_line(Io& io) {
  std::byte one[1];
  for (;;) {
    const auto got = co_await io.read(one);
    if (!got) co_return got.error();
    if (*got == 0 || one[0] == std::byte{'\n'}) co_return Result<void>{};
  }
}

asio::awaitable<Outcome> fill_up(BenchContext context, const BenchFetchIdle& verb, Node& node, Core& core,
                                 Tasks& sessions) {
  Timers& timers = *context.environment.timers;
  const Address server = here(context, verb.port);
  const double first = monotonic_s();
  const double first_cpu = own_cpu_s();
  sessions.start(keep_connected(node, server));
  if (auto there = co_await until_peers(core, timers, 1); !there) co_return failed(there.error(), "connect");
  const auto info = co_await core.info();
  if (!info) co_return failed(info.error(), "info");
  const BlockRange whole{{0}, {info->length.value}};
  if (auto fetched = co_await core.download(whole); !fetched) co_return failed(fetched.error(), "fetch");
  const Json one = phase_json("one", monotonic_s() - first, own_cpu_s() - first_cpu);
  if (auto printed = co_await context.io.print(to_line(one)); !printed)
    co_return failed(printed.error(), "stdout");
  if (auto told = co_await until_line(context.io); !told) co_return failed(told.error(), "stdin");

  const double begun = monotonic_s();
  const double cpu = own_cpu_s();
  for (std::uint64_t i = 1; i < verb.connections; ++i) sessions.start(keep_connected(node, server));
  if (auto there = co_await until_peers(core, timers, verb.connections); !there)
    co_return failed(there.error(), "connect");
  co_return co_await say_and_idle(context.io, phase_json("all", monotonic_s() - begun, own_cpu_s() - cpu));
}

asio::awaitable<Outcome> fetch_idle(BenchContext context, const BenchFetchIdle& verb, Node& node) {
  auto core = co_await node.follow(verb.key);
  if (!core) co_return failed(core.error(), to_string(verb.key));
  Tasks sessions(co_await asio::this_coro::executor);
  Outcome outcome = co_await fill_up(context, verb, node, *core, sessions);
  sessions.cancel();
  co_await sessions.join();
  co_return outcome;
}

}  // namespace

asio::awaitable<Outcome> run(BenchContext context, const BenchServeMany& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return serve_many(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchMany& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return fetch_many(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchIdle& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return fetch_idle(context, verb, node); });
}

}  // namespace sheaf::peer_node
