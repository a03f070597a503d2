#include "engine/peer_node/commands/sync_command.hpp"

#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/commands/serve_commands.hpp"
#include "sheaf/net/descriptor_stream.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/role_agreement.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr const char* stdio = "stdio:";

asio::awaitable<Result<AgreedRole>> begin(CommandContext& context, const SyncCommand& command, Io& io) {
  auto stream = descriptor_stream(co_await asio::this_coro::executor, io.input(), io.output(), stdio);
  if (!stream) co_return stream.error();
  if (command.initiator) {
    AgreedRole given;
    given.stream = without_agreement(std::move(*stream));
    given.initiator = *command.initiator;
    co_return given;
  }
  const auto random = system_random();
  co_return co_await agree_on_role(std::move(*stream), *random, context.timers);
}

asio::awaitable<bool> all_is_here(CommandContext& context) {
  const auto cores = co_await context.node.cores();
  if (!cores) co_return false;
  for (const auto& core : *cores)
    if (core.local != core.length) co_return false;
  co_return true;
}

asio::awaitable<Outcome> sync(CommandContext& context, const SyncCommand& command, Io& io) {
  auto begun = co_await begin(context, command, io);
  if (!begun) co_return failed(begun.error(), stdio);
  const Until until = command.live ? Until::ended : Until::complete;
  auto ended = co_await context.node.replicate(std::move(begun->stream), begun->initiator, until);
  // Both sides look for the end, and one is the first to find it. One of ours says so.
  const bool by_other = ended && ended->remote_key && !ended->complete && !ended->of_bundle &&
                        ended->reason == SessionEnd::remote_ended;
  if (by_other && (command.live || context.node_is_sparse || co_await all_is_here(context)))
    ended->complete = true;
  if (ended && ended->complete && !command.live) co_await say_what_lacks(context, io, *ended, stdio);
  Outcome outcome = outcome_of(ended, stdio);
  if (outcome.code == exit_code::done && !command.live) outcome = co_await look_for_stopped(context);
  co_return outcome;
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const SyncCommand& command, Io& io) {
  co_await warn_of_sparse_holder(context, io, command.sparse);
  co_return co_await with_progress(context, io, sync(context, command, io));
}

}  // namespace sheaf::peer_node
