// The pump drives a machine by its contract and nothing else: a machine that checks its caller stands in for
// the protocol's.
#include "net/pump.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/admission.hpp"
#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "net/loopback_stream.hpp"
#include "net/task_group.hpp"
#include "sheaf/net/error.hpp"
#include "tests/support/worlds.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using Why = PumpEnding::Why;

namespace {

// Keeps what it hears and says what it is told to. Room and views are moved by every non-const call, so that
// whoever holds on to them is found by the address sanitizer.
class Parrot final : public Machine {
 public:
  std::size_t room_bytes = 4'096;
  std::size_t hears_most = SIZE_MAX;  // wants no more bytes once it holds so many
  std::optional<Instant> deadline;
  Duration period{};      // if any, on_time() sets the next deadline
  bool stubborn = false;  // leaves a deadline that has passed as it is
  std::size_t finish_after = SIZE_MAX;
  bool echo = false;

  Buffer heard;
  std::size_t heard_in_all = 0;
  std::vector<Instant> rung;
  std::optional<Instant> ended;
  std::size_t writes = 0;
  std::size_t most_outgoing = 0;

  void say(Bytes bytes) {
    said_.push_back(to_buffer(bytes));
    outgoing_ += bytes.size();
    most_outgoing = std::max(most_outgoing, outgoing_);
  }
  void finish() { finished_ = true; }
  std::size_t unsent() const { return outgoing_; }

  MutableBytes room() override {
    CHECK(wants_bytes());
    CHECK(!finished_);
    room_ = Buffer(room_bytes);
    return room_;
  }
  void received(std::size_t bytes, Instant now) override {
    tick(now);
    REQUIRE(bytes <= room_.size());
    CHECK(bytes > 0);
    CHECK(!ended);
    append(heard, Bytes(room_).first(bytes));
    if (echo) say(Bytes(room_).first(bytes));
    heard_in_all += bytes;
    if (heard_in_all >= finish_after) finish();
    room_.clear();
    room_.shrink_to_fit();
  }
  bool wants_bytes() const override { return heard.size() < hears_most; }
  void stream_ended(Instant now) override {
    tick(now);
    CHECK(!ended);
    ended = now;
  }
  std::size_t outgoing(std::span<Bytes> out) const override {
    std::size_t count = 0;
    for (const auto& bytes : said_) {
      if (count == out.size()) break;
      out[count++] = bytes;
    }
    return count;
  }
  void sent(std::size_t bytes, Instant now) override {
    tick(now);
    REQUIRE(bytes <= outgoing_);
    ++writes;
    outgoing_ -= bytes;
    while (bytes > 0) {
      const std::size_t part = std::min(bytes, said_.front().size());
      said_.front() = to_buffer(Bytes(said_.front()).subspan(part));
      if (said_.front().empty()) said_.pop_front();
      bytes -= part;
    }
  }
  std::optional<Instant> next_deadline() const override { return deadline; }
  void on_time(Instant now) override {
    tick(now);
    REQUIRE(deadline);
    CHECK(now >= *deadline);
    rung.push_back(now);
    if (stubborn) return;
    if (period > Duration::zero())
      deadline = now + period;
    else
      deadline.reset();
  }
  bool finished() const override { return finished_; }

 private:
  void tick(Instant now) {
    CHECK(now >= last_);
    last_ = now;
  }

  Buffer room_;
  std::deque<Buffer> said_;
  std::size_t outgoing_ = 0;
  bool finished_ = false;
  Instant last_{};
};

struct Owner final : PumpOwner {
  int drained = 0;
  void drain() override { ++drained; }
};

struct Side {
  Parrot machine;
  Owner owner;
  Pump pump;
  std::optional<PumpEnding> ending;

  Side(ByteStream& stream, Timers& timers) : pump(machine, stream, timers, owner) {}
};

awaitable<void> run_side(Side& side) { side.ending = co_await side.pump.run(); }

awaitable<void> run_both_in(TaskGroup& group, Side& a, Side& b) {
  group.spawn(run_side(a));
  group.spawn(run_side(b));
  co_await group.join();
}

awaitable<bool> run_both(Side& a, Side& b) {
  TaskGroup group(co_await asio::this_coro::executor);
  co_await run_both_in(group, a, b);
  co_return true;
}

Buffer pattern(std::size_t size) {
  Buffer out(size);
  seeded_random(11)->fill(out);
  return out;
}

// Two sides over a loopback in virtual time.
struct Pair {
  VirtualWorld world;
  LoopbackPair ends;
  Side a, b;

  explicit Pair(const Road& there = {}, const Road& back = {})
      : ends(make_loopback(world.timers, there, back)),
        a(*ends.first, world.timers),
        b(*ends.second, world.timers) {}
};

}  // namespace

TEST_CASE("a pump carries what a machine says to the other, however the road splits it") {
  const Buffer bytes = pattern(50'000);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const auto split = seeded_random(seed);
    Pair pair({.delay = 5ms, .buffer_bytes = 1'000 + seed * 500, .split = split.get()});
    for (std::size_t at = 0; at < bytes.size(); at += 500) pair.a.machine.say(Bytes(bytes).subspan(at, 500));
    pair.b.machine.finish_after = bytes.size();
    CHECK(pair.world.run(run_both(pair.a, pair.b)));
    CHECK(equal(pair.b.machine.heard, bytes));
    CHECK(pair.b.ending->why == Why::finished);
    CHECK(pair.a.ending->why == Why::ended);
    CHECK(pair.a.machine.ended.has_value());
    CHECK(!pair.b.machine.ended.has_value());
    CHECK(pair.b.owner.drained > 0);
  }
}

TEST_CASE("what a machine says while it hears goes back") {
  const Buffer bytes = pattern(100'000);
  const auto split = seeded_random(3);
  Pair pair({.delay = 1ms, .buffer_bytes = 5'000, .split = split.get()},
            {.delay = 1ms, .split = split.get()});
  pair.b.machine.echo = true;
  pair.a.machine.say(bytes);
  pair.a.machine.finish_after = bytes.size();
  CHECK(pair.world.run(run_both(pair.a, pair.b)));
  CHECK(equal(pair.a.machine.heard, bytes));
}

TEST_CASE("many wakes in one turn make one write") {
  Pair pair;
  Told<bool> told;
  start(pair.world.io, run_both(pair.a, pair.b), told);
  while (step_virtual(pair.world.io, pair.world.timers)) {
  }
  const Buffer bytes = pattern(10);
  for (int i = 0; i < 64; ++i) {
    pair.a.machine.say(bytes);
    pair.a.pump.wake();
  }
  CHECK(pair.a.machine.writes == 0);  // nothing runs inside wake()
  while (step_virtual(pair.world.io, pair.world.timers)) {
  }
  CHECK(pair.a.machine.writes == 1);
  CHECK(pair.b.machine.heard.size() == 640);
  for (int i = 0; i < 65; ++i) pair.a.machine.say(bytes);
  pair.a.pump.wake();
  while (step_virtual(pair.world.io, pair.world.timers)) {
  }
  CHECK(pair.a.machine.writes == 3);  // 64 runs and one
  pair.a.machine.finish();
  pair.a.pump.wake();
  CHECK(run_virtual(pair.world.io, pair.world.timers, [&] { return told.done; }));
  CHECK(pair.a.ending->why == Why::finished);
}

namespace {

// Takes a little of what b holds, at times.
awaitable<void> take_slowly(Timers& timers, Side& b, std::size_t at_once, std::size_t in_all) {
  for (std::size_t taken = 0; taken < in_all;) {
    co_await timers.sleep_until(timers.now() + 10ms);
    taken += b.machine.heard.size();
    CHECK(b.machine.heard.size() <= at_once + b.machine.room_bytes);
    b.machine.heard.clear();
    b.pump.wake();
  }
}

awaitable<bool> run_slowly(Timers& timers, Side& a, Side& b, std::size_t in_all) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(take_slowly(timers, b, b.machine.hears_most, in_all));
  co_await run_both_in(group, a, b);
  co_return true;
}

}  // namespace

TEST_CASE("a machine that wants no bytes leaves them with the road: it costs the sender time, not memory") {
  Pair pair({.buffer_bytes = 10'000});
  const Buffer bytes = pattern(1'000'000);
  pair.a.machine.say(bytes);
  pair.b.machine.hears_most = 5'000;
  pair.b.machine.finish_after = bytes.size();
  CHECK(pair.world.run(run_slowly(pair.world.timers, pair.a, pair.b, bytes.size())));
  CHECK(pair.b.machine.heard_in_all == bytes.size());
  CHECK(pair.world.timers.now() >= Instant{1s});
}

TEST_CASE("a deadline rings when it is due, also one that comes nearer later") {
  Pair pair;
  pair.a.machine.deadline = Instant{10s};
  Told<bool> told;
  start(pair.world.io, run_both(pair.a, pair.b), told);
  CHECK(!run_virtual(
      pair.world.io, pair.world.timers, [] { return false; }, Instant{5s}));
  pair.world.timers.jump_to(Instant{5s});
  pair.a.machine.deadline = Instant{7s};
  pair.a.pump.wake();
  pair.a.machine.period = 1min;
  CHECK(!run_virtual(
      pair.world.io, pair.world.timers, [] { return false; }, Instant{3'600s}));
  REQUIRE(pair.a.machine.rung.size() == 60);
  CHECK(pair.a.machine.rung[0] == Instant{7s});
  CHECK(pair.a.machine.rung[1] == Instant{67s});
  pair.a.machine.deadline.reset();
  pair.a.pump.wake();
  CHECK(!run_virtual(pair.world.io, pair.world.timers, [] { return false; }));
  CHECK(pair.a.machine.rung.size() == 60);
  pair.a.machine.finish();
  pair.a.pump.wake();
  CHECK(run_virtual(pair.world.io, pair.world.timers, [&] { return told.done; }));
}

TEST_CASE("a deadline that has passed and stays does not stop the world") {
  Pair pair;
  pair.a.machine.deadline = Instant{1s};
  pair.a.machine.stubborn = true;
  Told<bool> told;
  start(pair.world.io, run_both(pair.a, pair.b), told);
  CHECK(!run_virtual(
      pair.world.io, pair.world.timers, [] { return false; }, Instant{2s}));
  CHECK(pair.world.timers.now() >= Instant{1'900ms});
  CHECK(pair.a.machine.rung.size() <= 1'001);
  pair.a.machine.finish();
  pair.a.pump.wake();
  CHECK(run_virtual(pair.world.io, pair.world.timers, [&] { return told.done; }));
}

TEST_CASE("a finished machine's last bytes still arrive, though the other side is sending") {
  Pair pair({.delay = 100ms}, {.delay = 100ms, .bytes_per_second = 100'000});
  const Buffer bytes = pattern(30'000);
  pair.a.machine.say(bytes);
  pair.a.machine.finish();
  pair.b.machine.say(pattern(10'000));
  CHECK(pair.world.run(run_both(pair.a, pair.b)));
  CHECK(pair.a.ending->why == Why::finished);
  CHECK(pair.b.ending->why == Why::ended);
  CHECK(equal(pair.b.machine.heard, bytes));
  CHECK(pair.a.machine.heard.empty());
  CHECK(pair.world.timers.now() < Instant{Pump::flush_limit});
}

TEST_CASE("a finished machine waits no longer than the limit for a side that does not take its last bytes") {
  Pair pair({.buffer_bytes = 1'000});
  pair.a.machine.say(pattern(30'000));
  pair.a.machine.finish();
  pair.b.machine.hears_most = 0;
  Told<bool> told;
  start(pair.world.io, run_both(pair.a, pair.b), told);
  CHECK(run_virtual(pair.world.io, pair.world.timers, [&] { return pair.a.ending.has_value(); }));
  CHECK(pair.a.ending->why == Why::cut_short);
  CHECK(pair.world.timers.now() == Instant{Pump::flush_limit});
  pair.b.machine.finish();
  pair.b.pump.wake();
  CHECK(run_virtual(pair.world.io, pair.world.timers, [&] { return told.done; }));
}

TEST_CASE("a broken road is told to the machine and named") {
  Pair pair({.cut_after = 700});
  pair.a.machine.say(pattern(2'000));
  CHECK(pair.world.run(run_both(pair.a, pair.b)));
  for (const Side* side : {&pair.a, &pair.b}) {
    REQUIRE(side->ending.has_value());
    CHECK(side->ending->why == Why::broken);
    CHECK(side->ending->error == asio::error::connection_reset);
    CHECK(side->machine.ended.has_value());
    CHECK(!side->machine.finished());
  }
  CHECK(pair.b.machine.heard.size() == 700);
}

TEST_CASE("what is outgoing when the other side ends still goes") {
  Pair pair({.delay = 10ms}, {.delay = 10ms});
  pair.a.machine.finish_after = 1;  // ends at the first byte, and keeps reading for b's sake
  const Buffer bytes = pattern(3'000);
  pair.b.machine.say(bytes);
  CHECK(pair.world.run(run_both(pair.a, pair.b)));
  CHECK(pair.a.ending->why == Why::finished);
  CHECK(pair.b.ending->why == Why::ended);
  CHECK(pair.b.machine.unsent() == 0);
}

namespace {

awaitable<bool> cancel_both(Timers& timers, Side& a, Side& b) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(run_side(a));
  group.spawn(run_side(b));
  co_await timers.sleep_until(timers.now() + 10ms);
  group.cancel();
  co_await group.join();
  co_return true;
}

}  // namespace

TEST_CASE("a cancelled pump ends at once, whatever it was doing") {
  Pair pair({.buffer_bytes = 1'000}, {.delay = 1s});
  pair.a.machine.say(pattern(30'000));
  pair.b.machine.hears_most = 100;
  pair.b.machine.deadline = Instant{1h};
  pair.b.machine.say(pattern(10));
  CHECK(pair.world.run(cancel_both(pair.world.timers, pair.a, pair.b)));
  CHECK(pair.a.ending->why == Why::cancelled);
  CHECK(pair.b.ending->why == Why::cancelled);
  CHECK(pair.world.timers.now() == Instant{10ms});
  std::array<std::byte, 1> byte{};
  CHECK(pair.ends.first->try_read(byte).error() == NetErrc::closed);
}

TEST_CASE("a machine that has finished before the pump runs is flushed and closed") {
  Pair pair;
  pair.a.machine.say(pattern(10));
  pair.a.machine.finish();
  pair.a.pump.wake();
  CHECK(pair.world.run(run_both(pair.a, pair.b)));
  CHECK(pair.b.machine.heard.size() == 10);
  CHECK(pair.a.ending->why == Why::finished);
}

namespace {

awaitable<void> accept_one(Listener& listener, std::unique_ptr<ByteStream>& out) {
  out = (co_await listener.accept()).value();
}

struct TcpEnds {
  std::unique_ptr<ByteStream> a, b;
};

awaitable<TcpEnds> connect(Timers& timers, Admission& admission) {
  TcpEnds ends;
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, timers, admission)).value();
  const Address target = listener->local();
  TcpDialer dialer(co_await asio::this_coro::executor, timers);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(accept_one(*listener, ends.b));
  ends.a = (co_await dialer.dial(target)).value();
  co_await group.join();
  co_return ends;
}

}  // namespace

TEST_CASE("a pump carries megabytes over TCP, both ways, and ends in order") {
  RealWorld world;
  const Limits limits;
  Admission admission(limits, world.timers);
  auto ends = world.run(connect(world.timers, admission));
  Side a(*ends.a, world.timers), b(*ends.b, world.timers);
  a.machine.room_bytes = b.machine.room_bytes = 64 * 1024;
  const Buffer bytes = pattern(100'000);
  for (int i = 0; i < 100; ++i) a.machine.say(bytes);
  b.machine.echo = true;
  a.machine.finish_after = 100 * bytes.size();
  CHECK(world.run(run_both(a, b)));
  CHECK(a.machine.heard_in_all == 100 * bytes.size());
  CHECK(equal(Bytes(a.machine.heard).last(bytes.size()), bytes));
  CHECK(a.ending->why == Why::finished);
  CHECK(b.ending->why == Why::ended);
}

TEST_CASE("a finished machine's last bytes arrive over TCP though it left some unread") {
  RealWorld world;
  const Limits limits;
  Admission admission(limits, world.timers);
  auto ends = world.run(connect(world.timers, admission));
  Side a(*ends.a, world.timers), b(*ends.b, world.timers);
  b.machine.say(pattern(200'000));
  a.machine.hears_most = 0;
  a.machine.say(pattern(300'000));
  a.machine.finish();
  CHECK(world.run(run_both(a, b)));
  CHECK(a.ending->why == Why::finished);
  CHECK(b.ending->why == Why::ended);
  CHECK(b.machine.heard_in_all == 300'000);
}
