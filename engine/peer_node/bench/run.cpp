#include "engine/peer_node/bench/run.hpp"

#include "engine/peer_node/bench/replicate.hpp"
#include "engine/peer_node/bench/store.hpp"
#include "engine/peer_node/bench/verbs.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

struct Dispatch {
  BenchContext context;
  const GlobalOptions& global;

  template <class Verb>
  asio::awaitable<Outcome> operator()(const Verb& verb) const {
    return run(context, verb);
  }
  asio::awaitable<Outcome> operator()(const BenchReplicate& verb) const {
    return replicate(context, verb, global.json);
  }
  asio::awaitable<Outcome> operator()(const BenchStore& verb) const {
    return bench_store(context, verb, global.json);
  }
};

asio::awaitable<Result<void>> until_interrupted(Interrupts& interrupts) {
  while (interrupts.number == 0) {
    if (auto waited = co_await interrupts.arrived.wait(); !waited) co_return waited.error();
  }
  co_return Result<void>{};
}

}  // namespace

asio::awaitable<int> run_bench(const Environment& environment, const BenchCommand& command,
                               const GlobalOptions& global, Io& io, Interrupts& interrupts) {
  const Dispatch dispatch{{environment, io, command.in_memory, command.over_web}, global};
  auto ended = co_await until_one_ends(std::visit(dispatch, command.verb), until_interrupted(interrupts));
  if (interrupts.number != 0 && ended.a.code != exit_code::done)
    co_return exit_code::signal_base + interrupts.number;
  if (!ended.a.reason.empty()) co_await io.say("sheaf: " + ended.a.reason);
  co_return ended.a.code;
}

}  // namespace sheaf::peer_node
