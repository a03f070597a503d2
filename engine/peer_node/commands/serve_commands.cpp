#include "engine/peer_node/commands/serve_commands.hpp"

#include <algorithm>

#include <boost/asio/ip/address.hpp>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

std::string listening_line(const CommandContext& context, const Address& address) {
  const std::string text = to_string(address);
  return context.global.json ? to_line({{"event", "listening"}, {"address", text}}) : "listening " + text;
}

std::string session_line(const SessionSummary& ended, const Address& peer) {
  return to_line({{"event", ended.complete ? "complete" : "ended"},
                  {"address", to_string(peer)},
                  {"blocks_received", ended.blocks_received},
                  {"blocks_sent", ended.blocks_sent},
                  {"bytes_received", ended.bytes_received},
                  {"bytes_sent", ended.bytes_sent}});
}

asio::awaitable<void> warn_of_strangers(CommandContext& context, Io& io, const std::vector<Address>& listen) {
  if (!context.tells_anyone || std::all_of(listen.begin(), listen.end(), is_loopback)) co_return;
  co_await io.say(
      "sheaf: warning: without [bundle] allow_peers every stranger who connects learns the archives' keys, "
      "and whoever knows an archive's key can read it");
}

}  // namespace

asio::awaitable<void> warn_of_sparse_holder(CommandContext& context, Io& io, bool sparse) {
  if (context.node_is_sparse == sparse) co_return;
  co_await io.say(std::string("sheaf: note: the process that holds ") + context.global.folder.native() +
                  " was started " + (sparse ? "without" : "with") + " --sparse, and that is what counts");
}

namespace {

// Dials again and again; ends when it is cancelled or the node closes.
asio::awaitable<void> keep_connected(CommandContext& context, const Address& peer) {
  [[maybe_unused]] const auto ended = co_await context.node.connect(peer, Until::closed);
}

asio::awaitable<void> connect_once(CommandContext& context, const Address& peer, Io& io, Outcome& worst) {
  const auto ended = co_await connect_in_time(context, peer, Until::complete);
  Outcome one = outcome_of(ended, to_string(peer));
  if (ended && ended->complete) co_await say_what_lacks(context, io, *ended, to_string(peer));
  if (ended && context.global.json) {
    if (auto printed = co_await io.print(session_line(*ended, peer)); !printed)
      one = failed(printed.error(), "stdout");
  }
  if (worst.code == exit_code::done) worst = std::move(one);
}

asio::awaitable<Outcome> connect_to_all(CommandContext& context, const ConnectCommand& command, Io& io) {
  Outcome worst;
  Tasks tasks(co_await asio::this_coro::executor);
  for (const auto& peer : command.peers)
    tasks.start(command.live ? keep_connected(context, peer) : connect_once(context, peer, io, worst));
  co_await tasks.join_or_cancel();
  if (worst.code == exit_code::done) worst = co_await look_for_stopped(context);
  co_return worst;
}

asio::awaitable<Outcome> listen_at_all(CommandContext& context, Io& io, const std::vector<Address>& listen,
                                       std::vector<Address>& taken) {
  for (const auto& address : listen) {
    auto local = co_await context.node.listen(address);
    if (!local) co_return Outcome{exit_code::failed, to_string(address) + ": " + local.error().message()};
    taken.push_back(std::move(*local));
    if (auto printed = co_await io.print(listening_line(context, taken.back())); !printed)
      co_return failed(printed.error(), "stdout");
  }
  co_return Outcome{};
}

asio::awaitable<void> dial_until_cancelled(CommandContext& context, const std::vector<Address>& peers) {
  Tasks tasks(co_await asio::this_coro::executor);
  for (const auto& peer : peers) tasks.start(keep_connected(context, peer));
  Signal never;
  [[maybe_unused]] const auto cancelled = co_await never.wait();
  tasks.cancel();
  co_await tasks.join();
}

}  // namespace

bool is_loopback(const Address& address) {
  if (address.host == "localhost") return true;
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  return !error && ip.is_loopback();
}

asio::awaitable<Outcome> run(CommandContext& context, const ServeCommand& command, Io& io) {
  const auto& listen = command.listen.empty() ? context.config.listen : command.listen;
  const auto& peers = command.peers.empty() ? context.config.peers : command.peers;
  if (listen.empty() && peers.empty())
    co_return failed(exit_code::wrong_usage,
                     "serve has nowhere to listen: give --listen ADDRESS, or [node] listen");
  co_await warn_of_strangers(context, io, listen);
  co_await warn_of_sparse_holder(context, io, command.sparse);
  std::vector<Address> taken;
  Outcome outcome = co_await listen_at_all(context, io, listen, taken);
  if (outcome.code == exit_code::done) co_await dial_until_cancelled(context, peers);
  // The node may be another process's, and goes on without us.
  for (const auto& address : taken)
    [[maybe_unused]] const auto stopped = co_await context.node.stop_listening(address);
  co_return outcome;
}

asio::awaitable<Outcome> run(CommandContext& context, const ConnectCommand& command, Io& io) {
  co_await warn_of_sparse_holder(context, io, command.sparse);
  co_return co_await with_progress(context, io, connect_to_all(context, command, io));
}

}  // namespace sheaf::peer_node
