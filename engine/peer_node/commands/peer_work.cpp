#include "engine/peer_node/commands/peer_work.hpp"

#include <algorithm>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/engine/error.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// The node tells of a core's channels only when asked, so it is asked now and then.
constexpr Duration look_again = std::chrono::milliseconds(10);

asio::awaitable<Result<void>> until_channel(CommandContext& context, Core& core) {
  for (;;) {
    // A peer that told nothing newer of it has no channel for it before something is asked, be it no block.
    const auto asked = co_await core.download(BlockRange{});
    if (!asked) co_return asked.error();
    const auto info = co_await core.info();
    if (!info) co_return info.error();
    if (info->peers > 0) co_return Result<void>{};
    if (auto slept = co_await context.timers.sleep_until(context.timers.now() + look_again); !slept)
      co_return slept.error();
  }
}

// Ends with timed_out once no block has arrived for --timeout.
asio::awaitable<Result<void>> watch_progress(CommandContext& context, Core& core) {
  std::uint64_t seen = 0;
  Instant since = context.timers.now();
  for (;;) {
    const Duration pause = context.global.timeout
                               ? std::min<Duration>(*context.global.timeout / 4, std::chrono::seconds(1))
                               : std::chrono::seconds(1);
    if (auto slept = co_await context.timers.sleep_until(context.timers.now() + pause); !slept)
      co_return slept.error();
    const auto info = co_await core.info();
    if (!info) co_return info.error();
    if (info->local.value != seen) {
      seen = info->local.value;
      since = context.timers.now();
    } else if (context.global.timeout && context.timers.now() - since >= *context.global.timeout) {
      co_return NetErrc::timed_out;
    }
  }
}

// Ends with timed_out when --timeout passes without a session; else it goes on for ever.
asio::awaitable<Result<void>> watch_for_session(CommandContext& context) {
  const std::uint64_t before = context.sessions_started;
  Signal never;
  if (context.global.timeout) {
    if (auto slept = co_await context.timers.sleep_until(context.timers.now() + *context.global.timeout);
        !slept)
      co_return slept.error();
    if (context.sessions_started == before) co_return NetErrc::timed_out;
  }
  co_return co_await never.wait();
}

}  // namespace

asio::awaitable<Result<SessionSummary>> connect_in_time(CommandContext& context, const Address& peer,
                                                        Until until) {
  auto both = co_await until_one_ends(context.node.connect(peer, until), watch_for_session(context));
  if (!both.a_first && both.a.has_error() && both.b.has_error()) co_return both.b.error();
  co_return std::move(both.a);
}

Outcome outcome_of(const Result<SessionSummary>& ended, const std::string& name) {
  if (!ended) {
    if (ended.error() == make_error_code(NetErrc::timed_out))
      return failed(exit_code::no_peer, name + ": no session within the time of --timeout");
    return failed(ended.error(), name);
  }
  if (ended->complete) return {};
  if (!ended->turned_away.empty())
    return failed(exit_code::refused, name + ": turned us away: " + printable(ended->turned_away));
  return failed(exit_code_of(ended->reason),
                name + ": ended before everything was here: " + std::string(to_string(ended->reason)));
}

asio::awaitable<void> say_what_lacks(CommandContext& context, Io& io, const SessionSummary& ended,
                                     std::string name) {
  constexpr std::size_t lines_most = 10;
  // All is done, and this is short: it is said even when the end is asked for meanwhile, as socat does of its
  // second child as soon as the first has gone.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  for (const auto& [reason, count] : ended.refused) {
    const std::string why = reason == "disk" ? "its store takes nothing at present" : printable(reason);
    std::string line =
        fmt::format("sheaf: note: {} does not follow {} of the archives here: {}", name, count, why);
    co_await io.say(std::move(line));
  }
  if (ended.remote_missing) {
    std::string line = fmt::format("sheaf: note: {} misses something that is not here either", name);
    co_await io.say(std::move(line));
  }
  if (context.node_is_sparse || !ended.missing) co_return;
  const auto cores = co_await context.node.cores();
  if (!cores) co_return;
  std::size_t lacking = 0;
  for (const CoreInfo& core : *cores) {
    if (core.local == core.length || core.over_quota || ++lacking > lines_most) continue;
    std::string line =
        fmt::format("sheaf: note: {}: {} blocks are not here, and {} has them not",
                    to_string(core.archive.value_or(core.key)), core.length.value - core.local.value, name);
    co_await io.say(std::move(line));
  }
  if (lacking > lines_most) {
    std::string line = fmt::format("sheaf: note: and {} more", lacking - lines_most);
    co_await io.say(std::move(line));
  }
}

Outcome frozen(const CoreKey& core) {
  return failed(exit_code::integrity,
                to_string(core) + ": its writer signed two histories; it takes nothing more");
}

asio::awaitable<Outcome> look_for_stopped(CommandContext& context) {
  const auto cores = co_await context.node.cores();
  if (!cores) co_return failed(cores.error(), "cores");
  Outcome full;
  for (const CoreInfo& core : *cores) {
    if (core.frozen) co_return frozen(core.key);
    if (core.over_quota && full.code == exit_code::done)
      full = failed(EngineErrc::quota, to_string(core.archive.value_or(core.key)));
  }
  co_return full;
}

asio::awaitable<Outcome> with_peer(CommandContext& context, const std::optional<Address>& peer,
                                   asio::awaitable<Outcome> work) {
  if (!peer) co_return co_await std::move(work);
  auto both = co_await until_one_ends(std::move(work), connect_in_time(context, *peer, Until::ended));
  if (both.a_first) co_return std::move(both.a);
  // The peer may have gone right after it gave us the last of what we wanted.
  if (both.a.code == exit_code::done) co_return std::move(both.a);
  Outcome outcome = outcome_of(both.b, to_string(*peer));
  if (outcome.code == exit_code::done)
    outcome = failed(exit_code::no_peer, to_string(*peer) + ": went away too early");
  co_return outcome;
}

asio::awaitable<Result<void>> wait_for_channel(CommandContext& context, Core& core) {
  co_return co_await within(context.timers, context.global.timeout, until_channel(context, core));
}

asio::awaitable<Result<Core::From>> where_to_look(CommandContext& context, Core& core) {
  auto info = co_await core.info();
  if (!info) co_return info.error();
  if (info->peers == 0 && (info->length == Length{} || info->local < info->length)) {
    const auto asked = co_await within(context.timers, context.global.timeout, core.update());
    if (!asked && asked.error() != make_error_code(NetErrc::timed_out)) co_return asked.error();
    info = co_await core.info();
    if (!info) co_return info.error();
  }
  co_return info->peers > 0 ? Core::From::peers : Core::From::here;
}

asio::awaitable<Result<Core::From>> where_to_look(CommandContext& context, Archive& archive) {
  const auto info = co_await archive.info();
  if (!info) co_return info.error();
  if (info->peers > 0) co_return Core::From::peers;
  if (info->complete) co_return Core::From::here;
  auto db = co_await context.node.core(archive.key());
  if (!db) co_return db.error();
  const auto asked = co_await within(context.timers, context.global.timeout, db->update());
  if (!asked && asked.error() != make_error_code(NetErrc::timed_out)) co_return asked.error();
  const auto now = co_await archive.info();
  if (!now) co_return now.error();
  co_return now->peers > 0 ? Core::From::peers : Core::From::here;
}

asio::awaitable<Result<void>> download_all(CommandContext& context, Core& core) {
  const auto length = co_await within(context.timers, context.global.timeout, core.update());
  if (!length) co_return length.error();
  co_return co_await download(context, core, {{0}, end_of(*length)});
}

asio::awaitable<Result<void>> download(CommandContext& context, Core& core, BlockRange blocks) {
  auto both = co_await until_one_ends(core.download(blocks), watch_progress(context, core));
  if (!both.a_first && both.a.has_error() && both.b.has_error()) co_return both.b.error();
  co_return both.a;
}

}  // namespace sheaf::peer_node
