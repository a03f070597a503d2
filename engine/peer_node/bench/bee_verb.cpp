// local-bee: a Bee on a core of one's own. Ours is the one of an archive, so its keys are names and its
// values entries: 32 hex digits each, the value as the text of a link, which makes it longer than the 32
// bytes alone.
#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/verb_work.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t gets = 5'000;
constexpr std::uint64_t stride = 7'919;  // between the keys that are looked up

struct Times {
  double put = 0;
  double list = 0;
  double get = 0;
};

// The line is made outside the coroutine: g++ 12 cannot keep a list of initializers across a wait.
Json bee_json(const Times& times, std::uint64_t listed, double cpu_seconds) {
  return {{"done", 1},          {"n", listed},  {"put_s", times.put},  {"list_s", times.list},
          {"get_s", times.get}, {"gets", gets}, {"cpu_s", cpu_seconds}};
}

std::vector<std::string> random_names(RandomSource& random, std::uint64_t count) {
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < count; ++i) {
    CoreKey key;
    random.fill(key.bytes());
    out.push_back("/" + to_string(key).substr(0, 32));
  }
  return out;
}

asio::awaitable<Result<void>> put_all(Archive& archive, const BenchLocalBee& verb,
                                      const std::vector<std::string>& names) {
  const std::string value(32, 'v');
  if (verb.batch == 1) {
    for (const std::string& name : names)
      if (auto put = co_await archive.symlink(name, value); !put) co_return put.error();
    co_return Result<void>();
  }
  auto batch = co_await archive.batch();
  if (!batch) co_return batch.error();
  std::uint64_t waiting = 0;
  for (const std::string& name : names) {
    if (auto put = co_await batch->symlink(name, value); !put) co_return put.error();
    if (++waiting < verb.batch) continue;
    if (auto flushed = co_await batch->flush(); !flushed) co_return flushed.error();
    waiting = 0;
  }
  if (auto flushed = co_await batch->flush(); !flushed) co_return flushed.error();
  co_return Result<void>();
}

asio::awaitable<Result<std::uint64_t>> list_all(Archive& archive) {
  auto entries = co_await archive.list();
  if (!entries) co_return entries.error();
  for (std::uint64_t seen = 0;; ++seen) {
    const auto entry = co_await entries->next();
    if (!entry) co_return entry.error();
    if (!*entry) co_return seen;
  }
}

asio::awaitable<Result<void>> get_some(Archive& archive, const std::vector<std::string>& names) {
  for (std::uint64_t i = 0; i < gets; ++i) {
    const auto entry = co_await archive.entry(names[i * stride % names.size()]);
    if (!entry) co_return entry.error();
    if (!*entry) co_return EngineErrc::not_found;
  }
  co_return Result<void>();
}

asio::awaitable<Outcome> local_bee(BenchContext context, const BenchLocalBee& verb, Node& node) {
  auto archive = co_await node.init_archive();
  if (!archive) co_return failed(archive.error(), verb.folder);
  const auto names = random_names(*context.environment.random, verb.keys);
  const double cpu = own_cpu_s();
  Times times;
  double begun = monotonic_s();
  if (auto put = co_await put_all(*archive, verb, names); !put) co_return failed(put.error(), verb.folder);
  times.put = monotonic_s() - begun;
  begun = monotonic_s();
  const auto listed = co_await list_all(*archive);
  if (!listed) co_return failed(listed.error(), verb.folder);
  times.list = monotonic_s() - begun;
  begun = monotonic_s();
  if (auto got = co_await get_some(*archive, names); !got) co_return failed(got.error(), verb.folder);
  times.get = monotonic_s() - begun;
  co_return co_await say_and_idle(context.io, bee_json(times, *listed, own_cpu_s() - cpu));
}

}  // namespace

asio::awaitable<Outcome> run(BenchContext context, const BenchLocalBee& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return local_bee(context, verb, node); });
}

}  // namespace sheaf::peer_node
