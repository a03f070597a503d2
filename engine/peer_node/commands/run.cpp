#include "engine/peer_node/commands/run.hpp"

#include <csignal>

#include "engine/peer_node/commands/archive_commands.hpp"
#include "engine/peer_node/commands/core_commands.hpp"
#include "engine/peer_node/commands/download_commands.hpp"
#include "engine/peer_node/commands/export_command.hpp"
#include "engine/peer_node/commands/follow_commands.hpp"
#include "engine/peer_node/commands/import_command.hpp"
#include "engine/peer_node/commands/info_command.hpp"
#include "engine/peer_node/commands/key_commands.hpp"
#include "engine/peer_node/commands/list_command.hpp"
#include "engine/peer_node/commands/serve_commands.hpp"
#include "engine/peer_node/commands/store_batch.hpp"
#include "engine/peer_node/commands/store_check.hpp"
#include "engine/peer_node/commands/store_commands.hpp"
#include "engine/peer_node/commands/store_watch.hpp"
#include "engine/peer_node/commands/sync_command.hpp"
#include "engine/peer_node/commands/write_commands.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

struct Dispatch {
  CommandContext& context;
  Io& io;

  template <class Any>
  asio::awaitable<Outcome> operator()(const Any& command) const {
    return run(context, command, io);
  }
  // A benchmark has folders of its own; main() runs it before any node is opened.
  asio::awaitable<Outcome> operator()(const BenchCommand&) const {
    co_return failed(exit_code::wrong_usage, "a benchmark does not run on this folder's node");
  }
};

}  // namespace

int code_when_stopped(int code, const CommandTraits& traits, const Stop& stop) {
  switch (stop.why) {
    case Stop::Why::none: return code;
    case Stop::Why::signal:
      if (code == exit_code::done || code == exit_code::output_closed) return code;
      return traits.endless ? exit_code::done : exit_code::signal_base + stop.number;
    case Stop::Why::gone:
    case Stop::Why::released: return traits.endless ? exit_code::done : exit_code::signal_base + SIGTERM;
  }
  return code;
}

asio::awaitable<int> run_command(CommandContext& context, const Command& command, Io& io, const Stop& stop) {
  const Outcome outcome = co_await std::visit(Dispatch{context, io}, command.action);
  if (!outcome.reason.empty() && stop.why == Stop::Why::none) co_await io.say("sheaf: " + outcome.reason);
  co_return code_when_stopped(outcome.code, traits_of(command.action), stop);
}

}  // namespace sheaf::peer_node
