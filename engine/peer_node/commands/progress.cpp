#include "engine/peer_node/commands/progress.hpp"

#include <fmt/format.h>

#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

struct Totals {
  std::uint64_t here = 0;
  std::uint64_t all = 0;
};

asio::awaitable<Result<Totals>> totals_of(Node& node) {
  const auto cores = co_await node.cores();
  if (!cores) co_return cores.error();
  Totals totals;
  for (const auto& core : *cores) {
    totals.here += core.local.value;
    totals.all += core.length.value;
  }
  co_return totals;
}

asio::awaitable<Result<void>> draw(CommandContext& context, Io& io) {
  constexpr Duration pause = std::chrono::milliseconds(250);
  Duration wait = std::chrono::seconds(1);
  Instant before = context.timers.now();
  std::uint64_t had = 0;
  for (;;) {
    if (auto slept = co_await context.timers.sleep_until(context.timers.now() + wait); !slept)
      co_return slept.error();
    wait = pause;
    const auto totals = co_await totals_of(context.node);
    if (!totals) co_return totals.error();
    const Instant now = context.timers.now();
    const double seconds = std::chrono::duration<double>(now - before).count();
    const double speed =
        totals->here > had && seconds > 0 ? static_cast<double>(totals->here - had) / seconds : 0;
    co_await io.draw(fmt::format("\r{} of {} blocks, {:.0f}/s\x1b[K", totals->here, totals->all, speed));
    before = now;
    had = totals->here;
  }
}

}  // namespace

asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io, asio::awaitable<Outcome> work) {
  if (context.global.verbosity < 0 || !io.error_is_terminal()) co_return co_await std::move(work);
  auto both = co_await until_one_ends(std::move(work), draw(context, io));
  co_await io.draw("\r\x1b[K");
  co_return std::move(both.a);
}

}  // namespace sheaf::peer_node
