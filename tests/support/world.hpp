// Nodes in one thread under a virtual clock, joined by loopback roads: an hour passes in milliseconds, and
// the same seed gives the same run.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "net/loopback_stream.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/net/inline_pool.hpp"
#include "sheaf/net/virtual_timers.hpp"
#include "sheaf/storage/memory_backend.hpp"

namespace sheaf::test {

using boost::asio::awaitable;

class World {
 public:
  explicit World(std::uint64_t seed = 1)
      : random_(seeded_random(seed)), timers_(random_.get()), pool_(io_.get_executor()) {}

  ~World() {
    for (auto& peer : peers_)
      if (peer.node) run(peer.node->close());
  }

  boost::asio::io_context& io() { return io_; }
  VirtualTimers& timers() { return timers_; }
  RandomSource& random() { return *random_; }

  struct Peer {
    std::unique_ptr<Backend> store;
    std::unique_ptr<Node> node;
  };

  // A node over a store in memory; its options as given.
  Node& add(NodeOptions options = {}) {
    Peer& peer = peers_.emplace_back();
    peer.store = memory_backend({.random = random_.get()});
    REQUIRE(peer.store->open().has_value());
    peer.node = open(*peer.store, std::move(options));
    return *peer.node;
  }

  // Stops a node and starts it again over the same store.
  Node& restart(Node& node, NodeOptions options = {}) {
    for (Peer& peer : peers_) {
      if (peer.node.get() != &node) continue;
      run(peer.node->close());
      peer.node = open(*peer.store, std::move(options));
      return *peer.node;
    }
    FAIL("not a node of this world");
    return node;
  }

  std::unique_ptr<Node> open(Backend& store, NodeOptions options = {}) {
    auto node = run(Node::open(store, environment(), std::move(options)));
    REQUIRE_MESSAGE(node.has_value(), "the node opens");
    return std::move(*node);
  }

  Environment environment() {
    Environment out;
    out.executor = io_.get_executor();
    out.timers = &timers_;
    out.pool = &pool_;
    out.random = random_.get();
    out.boot_id = boot_id;
    return out;
  }

  // A connection between two nodes, `a` the initiator. It lives until one side ends it or cut() is called.
  struct Join {
    LoopbackStream* a = nullptr;
    std::optional<Result<SessionSummary>> a_ended;
    std::optional<Result<SessionSummary>> b_ended;
  };
  Join& join(Node& a, Node& b, Until until = Until::ended, Road road = {}) {
    LoopbackPair pair = make_loopback(timers_, road, road);
    Join& join = joins_.emplace_back();
    join.a = pair.first.get();
    spawn(replicate(a, std::move(pair.first), true, until, join.a_ended));
    spawn(replicate(b, std::move(pair.second), false, Until::ended, join.b_ended));
    return join;
  }

  void spawn(awaitable<void> work) {
    boost::asio::co_spawn(io_, std::move(work), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  // Runs everything until the work has ended, and gives what it gave.
  template <class T>
  T run(awaitable<T> work) {
    std::optional<T> out;
    spawn(keep(std::move(work), out));
    const bool ended = run_virtual(io_, timers_, [&] { return out.has_value(); });
    REQUIRE_MESSAGE(ended, "the work comes to an end");
    return std::move(*out);
  }
  void run(awaitable<void> work) {
    bool ended = false;
    spawn(note(std::move(work), ended));
    REQUIRE_MESSAGE(run_virtual(io_, timers_, [&] { return ended; }), "the work comes to an end");
  }

  // Runs until the condition holds, for at most so much virtual time.
  template <class Condition>
  bool until(Condition condition, Duration most = std::chrono::minutes(5)) {
    return run_virtual(io_, timers_, condition, timers_.now() + most);
  }

  std::string boot_id = "boot-1";

 private:
  template <class T>
  static awaitable<void> keep(awaitable<T> work, std::optional<T>& out) {
    out.emplace(co_await std::move(work));
  }
  static awaitable<void> note(awaitable<void> work, bool& ended) {
    co_await std::move(work);
    ended = true;
  }
  static awaitable<void> replicate(Node& node, std::unique_ptr<ByteStream> stream, bool initiator,
                                   Until until, std::optional<Result<SessionSummary>>& ended) {
    ended.emplace(co_await node.replicate(std::move(stream), initiator, until));
  }

  boost::asio::io_context io_;
  std::unique_ptr<RandomSource> random_;
  VirtualTimers timers_;
  InlinePool pool_;
  std::list<Peer> peers_;
  std::list<Join> joins_;
};

}  // namespace sheaf::test
