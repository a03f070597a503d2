// A real node on a real TCP port with its store on disk, an honest peer beside it, and the time under
// control.
//
// The nodes run in one thread, or with their work on a pool of real ones (ThreadedWorld). The clock is
// virtual: it stands still while sockets or threads have something to say and jumps only when a test lets
// time pass, so that the default limits hold and a minute costs milliseconds. The victim holds a core of its
// own that the honest peer has fetched, and follows one whose writer is here in the test; unharmed() says at
// the end that neither noticed anything.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "sheaf/engine/node.hpp"
#include "sheaf/net/inline_pool.hpp"
#include "sheaf/net/virtual_timers.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "tests/support/busy_pool.hpp"
#include "tests/support/gauge.hpp"
#include "tests/support/log_world.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {

using boost::asio::awaitable;

class HostileWorld {
 public:
  static constexpr std::uint64_t own_blocks = 64;
  static constexpr std::size_t own_block_bytes = 1000;
  static constexpr std::size_t memory_growth = 8 * 1024 * 1024;

  // The victim's options; where they name peers, the honest one is added. `threads`: of the pool, 0 for none.
  explicit HostileWorld(NodeOptions options = {}, std::size_t threads = 0);
  ~HostileWorld();

  Node& victim() { return *victim_; }
  Node& honest() { return *honest_; }
  const Address& address() const { return address_; }
  const Address& web_address() const { return web_address_; }  // where the victim takes WebSockets
  Environment environment();                                   // of further nodes
  Core& own() { return *own_; }                                // the victim writes it
  Core& followed() { return *followed_; }  // the victim follows it; its writer is `writer`
  LogWriter writer{key_pair_of(7)};
  RandomSource& random() { return *random_; }
  Instant now() const { return timers_.now(); }

  // Runs what is ready; waits a moment for the sockets if `patient`. False if there was nothing.
  bool turn(bool patient);
  // Until the condition holds; the clock stands still, or may go on by as much as `most`.
  template <class Condition>
  bool until(Condition condition, Duration most = {});
  // Lets so much time pass.
  void pass(Duration time) {
    until([] { return false; }, time);
  }

  // Runs everything until the work has ended, and gives what it gave. For the results of Node and Core.
  template <class T>
  T run(awaitable<T> work);
  void run(awaitable<void> work);
  void spawn(awaitable<void> work);

  // A stranger's connection to the victim, by the name that its session will have.
  void connected(const std::string& remote) { ++connections_[remote]; }
  // How the session of that remote ended, once it has; and all endings so far.
  std::optional<SessionSummary> ended(const std::string& remote) const;
  std::size_t sessions_ended() const { return endings_.size(); }
  std::size_t sessions_ended(SessionEnd reason) const;
  bool frozen() const { return frozen_; }
  CoreInfo info(Core& core);

  // The honest peer's session still lives and brings what is appended now; the victim's blocks read as they
  // were written, and what it holds of the followed core is what `writer` wrote; no stranger's session was
  // told to have ended twice; memory grew by no more than `growth` at any time, and no descriptor was left
  // open.
  void unharmed(std::size_t growth = memory_growth);

 private:
  awaitable<void> listen_to_events();
  awaitable<void> keep_connected();
  static Buffer own_block(std::uint64_t index);
  void append_own(std::uint64_t count);
  bool honest_has(std::uint64_t length);
  bool tells_the_truth();

  ScratchFolder folder_;
  boost::asio::io_context io_;
  std::unique_ptr<RandomSource> random_ = seeded_random(4);
  VirtualTimers timers_;
  InlinePool inline_{io_.get_executor()};
  std::optional<BusyPool> threads_;
  std::unique_ptr<Backend> honest_store_;
  std::unique_ptr<Node> victim_;
  std::unique_ptr<Node> honest_;
  std::optional<Core> own_;
  std::optional<Core> followed_;
  std::optional<Core> copy_;  // the honest peer's, of `own`
  Address address_;
  Address web_address_;
  std::uint64_t own_length_ = 0;
  std::vector<std::pair<std::string, SessionSummary>> endings_;
  std::map<std::string, std::size_t> connections_;
  std::optional<Result<SessionSummary>> honest_ended_;
  bool frozen_ = false;
  std::size_t memory_before_ = 0;
  std::size_t descriptors_before_ = 0;
};

// The same with two threads for what is read, verified and stored.
struct ThreadedWorld : HostileWorld {
  explicit ThreadedWorld(NodeOptions options = {}) : HostileWorld(std::move(options), 2) {}
};

template <class Condition>
bool HostileWorld::until(Condition condition, Duration most) {
  const Instant horizon = timers_.now() + most;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(most == Duration{} ? 2 : 20);
  for (int idle = 0;;) {
    if (condition()) return true;
    if (turn(idle > 0)) {
      idle = 0;
    } else if (++idle < 2) {
      continue;  // the system may still be carrying something
    } else if (const auto next = timers_.next_wake(); most > Duration{} && next && *next <= horizon) {
      timers_.wake_next();
      idle = 0;
    } else if (most > Duration{}) {
      if (timers_.now() < horizon) timers_.jump_to(horizon);
      return condition();
    }
    if (std::chrono::steady_clock::now() > give_up) return condition();
  }
}

}  // namespace sheaf::test
