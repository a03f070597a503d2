// A process that has the folder open: its own command, and those that other processes hand over meanwhile.
//
// Used from one strand. open(), then run_own() once, then close(); close() in any case before destruction.
#pragma once

#include <memory>
#include <optional>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/command_server.hpp"
#include "engine/peer_node/commands/context.hpp"
#include "engine/peer_node/config.hpp"
#include "engine/peer_node/stop.hpp"
#include "sheaf/engine/environment.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf::peer_node {

class Holder final : public CommandHost {
 public:
  // `io` is where log lines go; it outlives the holder.
  Holder(Environment environment, Command own, Config config, Io& io);
  ~Holder() override;

  // Opens the folder's store and node, and then DIR/control. Fails as Node::open does, and with `cancelled`
  // where an interrupt ended what lasts.
  boost::asio::awaitable<Result<void>> open(Interrupts& interrupts);
  // Runs our own command to its exit code. The first interrupt ends it.
  boost::asio::awaitable<int> run_own(Interrupts& interrupts);
  // Sees the handed-over commands out, and closes the node.
  boost::asio::awaitable<void> close();

  Answer consider(const Handover& handover) override;
  boost::asio::awaitable<int> run(Handover handover, StandardDescriptors descriptors,
                                  const Stop& stop) override;

 private:
  boost::asio::awaitable<Result<void>> open_store(const CommandTraits& traits);
  // Where it was lost; before the node is opened, which writes to it.
  boost::asio::awaitable<Result<void>> rebuild_root(Interrupts& interrupts);
  boost::asio::awaitable<Outcome> rebuild_pages(RebuildReport& report, Error& why);
  boost::asio::awaitable<void> follow_events();
  boost::asio::awaitable<void> log_event(const NodeEvent& event);
  CommandContext context_for(const GlobalOptions& global, const Config& config);

  Environment environment_;
  Command own_;
  Config config_;
  Io& io_;
  std::unique_ptr<Router> store_;  // outlives the node
  std::optional<std::uint64_t> root_rebuilt_;
  std::unique_ptr<Node> node_;
  std::optional<CommandServer> server_;
  Tasks events_;
  std::uint64_t sessions_started_ = 0;
  bool interrupted_ = false;
};

}  // namespace sheaf::peer_node
