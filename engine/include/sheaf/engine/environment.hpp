// What a node takes from outside instead of reaching for it: executor, time, threads, randomness.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/pool.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/net/transport.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf {

// All of it outlives the node.
struct Environment {
  boost::asio::any_io_executor executor;  // the node makes its strand on it
  Timers* timers = nullptr;
  Pool* pool = nullptr;
  RandomSource* random = nullptr;
  Dialer* dialer = nullptr;  // how addresses are reached; none: over TCP and WebSocket
  std::string boot_id;       // changes when the machine restarts; empty: every start counts as the same boot
};

// The real ones, for an executor of the caller's: its clock, `threads` threads, the system's randomness.
class SystemEnvironment {
 public:
  explicit SystemEnvironment(boost::asio::any_io_executor executor, unsigned threads = 2);
  ~SystemEnvironment();
  const Environment& get() const { return environment_; }

 private:
  std::unique_ptr<Timers> timers_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<RandomSource> random_;
  Environment environment_;
};

}  // namespace sheaf
