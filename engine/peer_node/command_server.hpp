// The side that holds the folder: takes commands from other processes of the same user and has them run.
//
// Used from one strand. start(), then finish() before it is destroyed.
#pragma once

#include <filesystem>
#include <list>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "engine/peer_node/control_socket.hpp"
#include "engine/peer_node/handover.hpp"
#include "engine/peer_node/io.hpp"
#include "engine/peer_node/stop.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/timers.hpp"

namespace sheaf::peer_node {

// Whoever runs the commands that are taken.
class CommandHost {
 public:
  enum class Answer {
    run,        // and wait for it when the server finishes
    run_while,  // and release it when the server finishes: it can be begun again elsewhere
    decline,    // the other process has to wait for the folder
  };
  virtual ~CommandHost() = default;
  virtual Answer consider(const Handover& handover) = 0;
  // The exit code. Cancelled when `stop` says why; `stop` outlives the run.
  virtual boost::asio::awaitable<int> run(Handover handover, StandardDescriptors descriptors,
                                          const Stop& stop) = 0;
};

class CommandServer {
 public:
  // How long a visitor has to say all of its command, and a command to end when we are forced to.
  static constexpr Duration handover_time = std::chrono::seconds(5);
  static constexpr Duration grace = std::chrono::seconds(5);
  static constexpr std::size_t most_visitors = 256;

  CommandServer(boost::asio::any_io_executor executor, Timers& timers, CommandHost& host);

  // Requires: this process holds the folder's lock.
  Result<void> start(const std::filesystem::path& folder);

  // Takes no more, removes the socket, releases what can be released and waits for the rest: to its end when
  // `patient`, else it is cancelled after `grace`.
  boost::asio::awaitable<void> finish(bool patient);
  void hurry();  // makes a finish() under way impatient

 private:
  struct Visitor {
    Stop stop;
    Signal released;
    bool releasable = false;
  };

  boost::asio::awaitable<void> accept_loop();
  boost::asio::awaitable<void> serve(Descriptor connection);
  boost::asio::awaitable<Result<Handover>> take(ControlChannel& channel);
  boost::asio::awaitable<Result<void>> watch(ControlChannel& channel, Visitor& visitor);

  boost::asio::any_io_executor executor_;
  Timers& timers_;
  CommandHost& host_;
  std::filesystem::path folder_;
  boost::asio::posix::stream_descriptor listening_;
  Tasks accepting_;
  Tasks serving_;
  std::list<Visitor> visitors_;
  Signal place_free_;
  Signal hurried_;
  bool ending_ = false;
  bool hurrying_ = false;
};

}  // namespace sheaf::peer_node
