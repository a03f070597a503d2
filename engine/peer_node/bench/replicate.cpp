#include "engine/peer_node/bench/replicate.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "engine/peer_node/bench/bench_node.hpp"
#include "engine/peer_node/bench/child.hpp"
#include "engine/peer_node/bench/fetch.hpp"
#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/memory_stream.hpp"
#include "engine/peer_node/bench/scratch.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t live_block_bytes = 64;

// The figures that do not depend on how they were come by.
Json figures(const BenchReplicate& verb, double seconds) {
  const std::uint64_t bytes = verb.blocks * (verb.live ? live_block_bytes : verb.block_bytes);
  return {{"blocks", verb.blocks},
          {"bytes", bytes},
          {"seconds", seconds},
          {"MB_s", static_cast<double>(bytes) / 1e6 / seconds},
          {"blocks_s", static_cast<double>(verb.blocks) / seconds}};
}

void add_ages(Json& json, double p50, double p99) {
  json["latency_p50_us"] = p50;
  json["latency_p99_us"] = p99;
}

asio::awaitable<Result<Json>> json_line(Child& child) {
  const auto line = co_await child.next_line();
  if (!line) co_return line.error();
  Json json = Json::parse(*line, nullptr, false);
  if (!json.is_object()) co_return boost::system::errc::make_error_code(boost::system::errc::protocol_error);
  co_return json;
}

std::vector<std::string> server_words(const BenchReplicate& verb, const std::string& folder) {
  const std::string blocks = std::to_string(verb.blocks);
  if (verb.live) return {"serve-live", folder, blocks, std::to_string(verb.interval_ms), "0"};
  return {"serve-core", folder, blocks, std::to_string(verb.block_bytes), "0"};
}

std::vector<std::string> client_words(const BenchReplicate& verb, const std::string& folder,
                                      const std::string& key, const std::string& port) {
  const std::string blocks = std::to_string(verb.blocks);
  if (verb.live) return {"fetch-live", folder, key, blocks, port};
  return {"fetch-core", folder, key, port, blocks};
}

Result<Child> start_side(const BenchContext& context, const std::vector<std::string>& words) {
  std::vector<std::string> arguments{"bench", "--store", context.in_memory ? "memory" : "disk", "--scheme",
                                     context.over_web ? "ws" : "tcp"};
  arguments.insert(arguments.end(), words.begin(), words.end());
  return Child::start(context.environment.executor, arguments);
}

asio::awaitable<Result<Json>> in_two_processes(const BenchContext& context, const BenchReplicate& verb,
                                               const Scratch& scratch) {
  const std::string source = scratch.path() / "source";
  const std::string copy = scratch.path() / "copy";
  auto server = start_side(context, server_words(verb, source));
  if (!server) co_return server.error();
  const auto ready = co_await json_line(*server);
  if (!ready) co_return ready.error();
  const double server_cpu = cpu_s_of(server->process());
  const std::string key = ready->value("key", "");
  const std::string port = std::to_string(ready->value("port", 0));
  const double begun = monotonic_s();
  auto client = start_side(context, client_words(verb, copy, key, port));
  if (!client) co_return client.error();
  const auto done = co_await json_line(*client);
  if (!done) co_return done.error();
  Json json = figures(verb, verb.live ? monotonic_s() - begun : done->value("s", 0.0));
  json["server_cpu_s"] = cpu_s_of(server->process()) - server_cpu;
  json["server_peak_bytes"] = peak_bytes_of(server->process());
  json["client_cpu_s"] = cpu_s_of(client->process());
  json["client_peak_bytes"] = peak_bytes_of(client->process());
  if (verb.live) add_ages(json, done->value("p50_us", 0.0), done->value("p99_us", 0.0));
  client->finish();
  server->finish();
  co_return json;
}

asio::awaitable<void> run_side(Node& node, std::unique_ptr<ByteStream> stream, bool initiator) {
  [[maybe_unused]] const auto ended = co_await node.replicate(std::move(stream), initiator, Until::ended);
}

asio::awaitable<void> append_live(Core& core, Timers& timers, const BenchReplicate& verb) {
  [[maybe_unused]] const auto appended = co_await append_stamped(core, timers, verb.blocks, verb.interval_ms);
}

asio::awaitable<Result<Json>> between(const BenchContext& context, const BenchReplicate& verb, Node& server,
                                      Node& client) {
  auto source = co_await server.create_core("bench");
  if (!source) co_return source.error();
  if (!verb.live) {
    if (auto filled = co_await fill(*source, context.environment, verb.blocks, verb.block_bytes); !filled)
      co_return filled.error();
  }
  auto copy = co_await client.follow(source->key());
  if (!copy) co_return copy.error();
  auto streams = make_memory_streams();
  const double cpu = own_cpu_s();
  const double begun = monotonic_s();
  Tasks tasks(co_await asio::this_coro::executor);
  tasks.start(run_side(client, std::move(streams.first), true));
  tasks.start(run_side(server, std::move(streams.second), false));
  if (verb.live) tasks.start(append_live(*source, *context.environment.timers, verb));
  Result<FetchedCore> fetched = FetchedCore{};
  Result<std::vector<double>> ages = std::vector<double>{};
  if (verb.live)
    ages = co_await fetch_ages(*copy, verb.blocks);
  else
    fetched = co_await fetch_whole(*copy, verb.blocks);
  Json json = figures(verb, monotonic_s() - begun);
  json["both_cpu_s"] = own_cpu_s() - cpu;
  json["both_peak_bytes"] = peak_bytes_of(::getpid());
  tasks.cancel();
  co_await tasks.join();
  if (!fetched) co_return fetched.error();
  if (!ages) co_return ages.error();
  if (verb.live) add_ages(json, percentile(*ages, 0.5), percentile(*ages, 0.99));
  co_return json;
}

asio::awaitable<Result<Json>> in_one_process(const BenchContext& context, const BenchReplicate& verb,
                                             const Scratch& scratch) {
  const auto folder = [&](const char* name) {
    return context.in_memory ? std::filesystem::path{} : scratch.path() / name;
  };
  auto server = co_await open_bench_node(folder("source"), context.environment);
  if (!server) co_return server.error();
  auto client = co_await open_bench_node(folder("copy"), context.environment);
  Result<Json> json = client.has_error() ? Result<Json>(client.error()) : Json();
  if (client) {
    json = co_await between(context, verb, *server->node, *client->node);
    co_await client->close();
  }
  co_await server->close();
  co_return json;
}

std::string table(const Json& json) {
  std::string text;
  for (const auto& [name, value] : json.items()) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{:<18} {:>16}", name,
                        value.is_number_float() ? fmt::format("{:.3f}", value.get<double>()) : value.dump());
  }
  return text;
}

}  // namespace

asio::awaitable<Outcome> replicate(BenchContext context, const BenchReplicate& verb, bool json) {
  const Scratch scratch;
  if (scratch.path().empty()) co_return failed(exit_code::failed, "no folder for temporary files");
  Result<Json> result = Json();
  context.over_web = context.over_web || verb.transport == BenchReplicate::Transport::ws;
  if (verb.transport != BenchReplicate::Transport::memory)
    result = co_await in_two_processes(context, verb, scratch);
  else
    result = co_await in_one_process(context, verb, scratch);
  if (!result) co_return failed(result.error(), "replicate");
  const std::string text = json ? to_line(*result) : table(*result);
  if (auto printed = co_await context.io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
