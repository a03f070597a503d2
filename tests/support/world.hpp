// Nodes in one thread under a virtual clock, joined by loopback roads: an hour passes in milliseconds, and
// the same seed gives the same run.
//
// Nodes are joined by hand (join), or dial each other by name (address_of) over roads that can be cut and
// closed. What happens is folded into a trace: every byte that was read off a road, and every event that is
// followed.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "net/loopback_stream.hpp"
#include "sheaf/engine/node.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/inline_pool.hpp"
#include "sheaf/net/transport.hpp"
#include "sheaf/net/virtual_timers.hpp"
#include "sheaf/storage/memory_backend.hpp"

namespace sheaf::test {

using boost::asio::awaitable;

// A number that depends on everything that was put into it, in order (FNV-1a).
class Trace {
 public:
  void add(Bytes bytes) {
    for (const std::byte b : bytes) state_ = (state_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  }
  void add(std::uint64_t value) {
    for (int i = 0; i < 64; i += 8) state_ = (state_ ^ (value >> i & 255)) * 0x100000001b3;
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

class World {
  // One end of a dialled road: notes what is read, and that it is there to be cut.
  class RoadEnd final : public ByteStream {
   public:
    RoadEnd(World& world, std::unique_ptr<LoopbackStream> end, std::string name)
        : world_(world), end_(std::move(end)), name_(std::move(name)) {
      world_.roads_.insert(this);
    }
    ~RoadEnd() override { world_.roads_.erase(this); }

    Result<std::size_t> try_read(MutableBytes into) override {
      auto got = end_->try_read(into);
      if (got) {
        world_.trace_.add(static_cast<std::uint64_t>(world_.timers_.now().since_origin.count()));
        world_.trace_.add(Bytes(into).first(*got));
        world_.bytes_carried_ += *got;
      }
      return got;
    }
    awaitable<Result<void>> readable() override { return end_->readable(); }
    Result<std::size_t> try_write(std::span<const Bytes> runs) override { return end_->try_write(runs); }
    awaitable<Result<void>> writable() override { return end_->writable(); }
    void end() override { end_->end(); }
    void close() override { end_->close(); }
    std::string remote() const override { return name_; }
    void cut() { end_->cut(); }

   private:
    World& world_;
    std::unique_ptr<LoopbackStream> end_;
    std::string name_;
  };

  // Reaches the nodes of this world by the names that address_of() gives.
  class WorldDialer final : public Dialer {
   public:
    explicit WorldDialer(World& world) : world_(world) {}
    awaitable<Result<std::unique_ptr<ByteStream>>> dial(const Address& address) override {
      return world_.dial(address.port);
    }

   private:
    World& world_;
  };

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
    std::uint16_t port = 0;
  };

  // A node over a store in memory; its options as given.
  Node& add(NodeOptions options = {}, WriteFaults* faults = nullptr) {
    Peer& peer = peers_.emplace_back();
    peer.port = static_cast<std::uint16_t>(peers_.size());
    peer.store = memory_backend({.random = random_.get(), .faults = faults});
    REQUIRE(peer.store->open().has_value());
    peer.node = open(*peer.store, std::move(options));
    return *peer.node;
  }

  // Stops a node and starts it again over the same store.
  Node& restart(Node& node, NodeOptions options = {}) {
    Peer& peer = peer_of(node);
    stop(peer);
    peer.node = open(*peer.store, std::move(options));
    return *peer.node;
  }

  // Stops a node as if its process had been killed and the machine had started anew: nothing is synced.
  Node& crash(Node& node, const std::string& next_boot, NodeOptions options = {}) {
    Peer& peer = peer_of(node);
    std::unique_ptr<Backend> left = copy(*peer.store);
    stop(peer);
    peer.store = std::move(left);
    boot_id = next_boot;
    peer.node = open(*peer.store, std::move(options));
    return *peer.node;
  }

  // A second node over a copy of the first one's store, as it is now.
  Node& add_copy(Node& node, NodeOptions options = {}) {
    std::unique_ptr<Backend> store = copy(*peer_of(node).store);
    Peer& peer = peers_.emplace_back();
    peer.port = static_cast<std::uint16_t>(peers_.size());
    peer.store = std::move(store);
    peer.node = open(*peer.store, std::move(options));
    return *peer.node;
  }

  // By this address other nodes dial it, also after it was restarted.
  Address address_of(Node& node) {
    Address out;
    out.host = "world";
    out.port = peer_of(node).port;
    return out;
  }
  // `a` dials `b`, again and again, until one of them stops.
  void link(Node& a, Node& b) { spawn(keep_link(a, address_of(b))); }
  void cut_roads() {
    for (RoadEnd* end : std::set<RoadEnd*>(roads_)) end->cut();
  }
  bool roads_open = true;  // whether dialling succeeds
  Road road;               // how dialled roads are
  std::size_t dials = 0;

  // Events of a node or core go into the trace from here on.
  void follow_events(Node& node) { spawn(trace_events(node)); }
  void follow_events(Core& core) {
    auto events = run(core.watch());
    REQUIRE(events.has_value());
    spawn(trace_events(std::move(*events)));
  }
  Trace& trace() { return trace_; }
  std::uint64_t bytes_carried() const { return bytes_carried_; }
  std::size_t roads() const { return roads_.size() / 2; }

  // Lets so much time pass.
  void pass(Duration time) {
    const Instant end = timers_.now() + time;
    run_virtual(
        io_, timers_, [] { return false; }, end);
    timers_.jump_to(end);
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
    out.dialer = &dialer_;
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

  Peer& peer_of(Node& node) {
    for (Peer& peer : peers_)
      if (peer.node.get() == &node) return peer;
    FAIL("not a node of this world");
    return peers_.front();
  }

  // While it stops nobody reaches it any more.
  void stop(Peer& peer) {
    const std::unique_ptr<Node> node = std::move(peer.node);
    run(node->close());
  }

  std::unique_ptr<Backend> copy(Backend& from) {
    auto out = memory_backend({.random = random_.get()});
    REQUIRE(out->open().has_value());
    auto all = from.iterate({});
    REQUIRE(all.has_value());
    Batch batch;
    for (;;) {
      auto more = (*all)->next();
      REQUIRE(more.has_value());
      if (!*more) break;
      batch.put_copy((*all)->key(), (*all)->value());
      if (batch.size() < 1000) continue;
      REQUIRE(out->write(batch, Durable::yes).has_value());
      batch.clear();
    }
    REQUIRE(out->write(batch, Durable::yes).has_value());
    return out;
  }

  awaitable<Result<std::unique_ptr<ByteStream>>> dial(std::uint16_t port) {
    ++dials;
    if (!roads_open) co_return NetErrc::unreachable;
    for (Peer& peer : peers_) {
      if (peer.port != port || !peer.node) continue;
      LoopbackPair pair = make_loopback(timers_, road, road);
      auto near = std::make_unique<RoadEnd>(*this, std::move(pair.first), "world:" + std::to_string(port));
      spawn(serve(*peer.node, std::make_unique<RoadEnd>(*this, std::move(pair.second), "world:dialled")));
      co_return near;
    }
    co_return NetErrc::unreachable;
  }
  static awaitable<void> serve(Node& node, std::unique_ptr<ByteStream> stream) {
    [[maybe_unused]] const auto ended = co_await node.replicate(std::move(stream), false, Until::ended);
  }
  static awaitable<void> keep_link(Node& node, Address address) {
    [[maybe_unused]] const auto ended = co_await node.connect(std::move(address), Until::closed);
  }
  awaitable<void> trace_events(Node& node) {
    for (;;) {
      auto event = co_await node.next_event();
      if (!event) co_return;
      trace_.add(static_cast<std::uint64_t>(event->kind));
      trace_.add(as_bytes(event->remote));
      trace_.add(event->summary.bytes_received);
      trace_.add(static_cast<std::uint64_t>(event->summary.reason));
      ++events_seen_;
    }
  }
  awaitable<void> trace_events(CoreEvents events) {
    for (;;) {
      auto event = co_await events.next();
      if (!event) co_return;
      trace_.add(static_cast<std::uint64_t>(event->kind));
      trace_.add(event->length.value);
      trace_.add(event->fork.value);
      trace_.add(event->blocks.begin.value);
      trace_.add(event->blocks.end.value);
      ++events_seen_;
    }
  }

  std::set<RoadEnd*> roads_;  // outlives everything that may hold one
  Trace trace_;
  std::uint64_t bytes_carried_ = 0;
  std::uint64_t events_seen_ = 0;
  WorldDialer dialer_{*this};
  boost::asio::io_context io_;
  std::unique_ptr<RandomSource> random_;
  VirtualTimers timers_;
  InlinePool pool_;
  std::list<Peer> peers_;
  std::list<Join> joins_;
};

}  // namespace sheaf::test
