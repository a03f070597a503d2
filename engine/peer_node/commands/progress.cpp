#include "engine/peer_node/commands/progress.hpp"

#include <iterator>

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

// The line of the node's cores, with the speed since it was last drawn.
class BlocksLine {
 public:
  explicit BlocksLine(CommandContext& context) : context_(context), before_(context.timers.now()) {}

  asio::awaitable<Result<std::string>> next() {
    const auto totals = co_await totals_of(context_.node);
    if (!totals) co_return totals.error();
    const Instant now = context_.timers.now();
    const double seconds = std::chrono::duration<double>(now - before_).count();
    const double speed =
        totals->here > had_ && seconds > 0 ? static_cast<double>(totals->here - had_) / seconds : 0;
    before_ = now;
    had_ = totals->here;
    co_return fmt::format("{} of {} blocks, {:.0f}/s", totals->here, totals->all, speed);
  }

 private:
  CommandContext& context_;
  Instant before_;
  std::uint64_t had_ = 0;
};

struct GivenLine {
  std::function<std::string()> line;
  asio::awaitable<Result<std::string>> next() { co_return line(); }
};

template <class Line>
asio::awaitable<Result<void>> draw(Timers& timers, Io& io, Line& line) {
  constexpr Duration pause = std::chrono::milliseconds(250);
  Duration wait = std::chrono::seconds(1);
  for (;;) {
    if (auto slept = co_await timers.sleep_until(timers.now() + wait); !slept) co_return slept.error();
    wait = pause;
    auto text = co_await line.next();
    if (!text) co_return text.error();
    co_await io.draw("\r" + *text + "\x1b[K");
  }
}

template <class Line>
asio::awaitable<Outcome> run_with(Timers& timers, const GlobalOptions& global, Io& io,
                                  asio::awaitable<Outcome> work, Line line) {
  if (!draws_progress(global, io)) co_return co_await std::move(work);
  auto both = co_await until_one_ends(std::move(work), draw(timers, io, line));
  co_await io.draw("\r\x1b[K");
  co_return std::move(both.a);
}

}  // namespace

asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io, asio::awaitable<Outcome> work) {
  return run_with(context.timers, context.global, io, std::move(work), BlocksLine(context));
}

asio::awaitable<Outcome> with_progress(CommandContext& context, Io& io, asio::awaitable<Outcome> work,
                                       std::function<std::string()> line) {
  return with_progress(context.timers, context.global, io, std::move(work), std::move(line));
}

asio::awaitable<Outcome> with_progress(Timers& timers, const GlobalOptions& global, Io& io,
                                       asio::awaitable<Outcome> work, std::function<std::string()> line) {
  return run_with(timers, global, io, std::move(work), GivenLine{std::move(line)});
}

bool draws_progress(const GlobalOptions& global, const Io& io) {
  return global.verbosity >= 0 && io.error_is_terminal();
}

std::string shown_bytes(std::uint64_t bytes) {
  static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(units); ++unit) size /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, units[unit]);
}

}  // namespace sheaf::peer_node
