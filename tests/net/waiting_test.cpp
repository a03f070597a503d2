// Signals, timers, task groups, races, limits of time, and the hop to a pool.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/race.hpp"
#include "net/task_group.hpp"
#include "net/within.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/inline_pool.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/thread_pool.hpp"
#include "tests/support/worlds.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;

namespace {

Instant at(Duration since_start) { return {since_start}; }

awaitable<void> next_turn() { co_await asio::post(asio::use_awaitable); }

// Sleeps so often, one hour in all, and counts.
awaitable<int> sleep_an_hour(Timers& timers) {
  int naps = 0;
  const Instant end = timers.now() + 1h;
  while (timers.now() < end) {
    (co_await timers.sleep_until(timers.now() + 1s)).value();
    ++naps;
  }
  co_return naps;
}

awaitable<void> note_at(Timers& timers, Instant when, int name, std::vector<int>& order) {
  (co_await timers.sleep_until(when)).value();
  order.push_back(name);
}

awaitable<bool> nap_all(VirtualTimers& timers, std::vector<int>& order) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(note_at(timers, at(3s), 3, order));
  for (int name = 10; name < 20; ++name) group.spawn(note_at(timers, at(2s), name, order));
  group.spawn(note_at(timers, at(1s), 1, order));
  group.spawn(note_at(timers, at(-1s), 0, order));
  co_await group.join();
  co_return true;
}

std::vector<int> order_of_naps(RandomSource* tie_break) {
  VirtualWorld world(tie_break);
  std::vector<int> order;
  world.run(nap_all(world.timers, order));
  return order;
}

// Waits until the flag holds, as users of a signal do.
awaitable<void> wait_for(Signal& signal, const bool& ready, std::vector<int>& woken, int name) {
  while (!ready) {
    const auto waited = co_await signal.wait();
    if (!waited) {
      CHECK(waited.error() == cancelled_error());
      woken.push_back(-name);
      co_return;
    }
  }
  woken.push_back(name);
}

awaitable<bool> wake_three(std::vector<int>& woken) {
  Signal signal;
  bool ready = false;
  TaskGroup group(co_await asio::this_coro::executor);
  for (int name : {1, 2, 3}) group.spawn(wait_for(signal, ready, woken, name));
  while (!signal.awaited()) co_await next_turn();
  signal.notify();  // nobody is ready: all go back to waiting
  CHECK(!signal.awaited());
  co_await next_turn();
  CHECK(signal.awaited());
  ready = true;
  signal.notify();
  CHECK(woken.empty());  // nobody runs inside notify()
  co_await group.join();
  co_return true;
}

awaitable<bool> cancel_waiting(std::vector<int>& woken) {
  Signal signal;
  const bool never = false;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_for(signal, never, woken, 1));
  while (!signal.awaited()) co_await next_turn();
  group.spawn(wait_for(signal, never, woken, 2));  // has not begun when it is cancelled
  group.cancel();
  group.spawn(wait_for(signal, never, woken, 3));  // begins cancelled
  CHECK(group.size() == 3);
  co_await group.join();
  CHECK(!signal.awaited());
  co_return group.empty();
}

// Every wait after the first cancelled one ends at once, too.
awaitable<void> stubborn(Timers& timers, Signal& signal, int& refused) {
  for (int i = 0; i < 5; ++i) refused += !co_await timers.sleep_until(timers.now() + 1h);
  for (int i = 0; i < 5; ++i) refused += !co_await signal.wait();
  CHECK(co_await was_cancelled());
}

awaitable<int> cancel_stubborn(Timers& timers) {
  Signal signal;
  int refused = 0;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(stubborn(timers, signal, refused));
  co_await next_turn();
  group.cancel();
  co_await group.join();
  co_return refused;
}

awaitable<void> fail_later(Timers& timers) {
  (co_await timers.sleep_until(timers.now() + 1s)).value();
  throw std::logic_error("misused");
}

awaitable<void> sleep_for(Timers& timers, Duration how_long, Error& ending) {
  const auto slept = co_await timers.sleep_until(timers.now() + how_long);
  if (!slept) ending = slept.error();
}

awaitable<bool> join_a_failing_group(Timers& timers, Error& sibling) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(sleep_for(timers, 1h, sibling));
  group.spawn(fail_later(timers));
  bool thrown = false;
  try {
    co_await group.join();
  } catch (const std::logic_error&) {
    thrown = true;
  }
  co_return thrown&& group.empty();
}

awaitable<int> number_after(Timers& timers, Duration how_long, int number) {
  const auto slept = co_await timers.sleep_until(timers.now() + how_long);
  co_return slept ? number : -number;
}

awaitable<Result<int>> result_after(Timers& timers, Duration how_long, int number) {
  if (const auto slept = co_await timers.sleep_until(timers.now() + how_long); !slept)
    co_return slept.error();
  co_return number;
}

// Has its answer, and gives it although it was cancelled while it tidied up.
awaitable<Result<int>> answer_anyway(Timers& timers) {
  co_await timers.sleep_until(timers.now() + 1h);
  co_return 7;
}

awaitable<Result<int>> fail_with(Error error) { co_return error; }

awaitable<void> keep_within(Timers& timers, Result<int>& out) {
  out = co_await within(timers, 10s, result_after(timers, 1h, 1));
}

awaitable<Result<int>> cancel_within(Timers& timers) {
  Result<int> out = 0;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(keep_within(timers, out));
  co_await timers.sleep_until(timers.now() + 1s);
  group.cancel();
  co_await group.join();
  co_return out;
}

awaitable<void> race_to(Timers& timers, std::vector<int>& endings) {
  const auto raced = co_await race(number_after(timers, 1h, 1), number_after(timers, 2h, 2));
  endings = {std::get<0>(raced.endings), std::get<1>(raced.endings)};
}

awaitable<bool> cancel_race(Timers& timers, std::vector<int>& endings) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(race_to(timers, endings));
  co_await timers.sleep_until(timers.now() + 1s);
  group.cancel();
  co_await group.join();
  co_return true;
}

awaitable<int> fail_with_throw(Timers& timers) {
  co_await fail_later(timers);
  co_return 0;
}

awaitable<bool> race_with_thrower(Timers& timers) {
  try {
    co_await race(number_after(timers, 1h, 1), number_after(timers, 2h, 2), fail_with_throw(timers));
  } catch (const std::logic_error&) {
    co_return true;
  }
  co_return false;
}

// Many at once from one strand: each result comes back to its own waiter and to the strand's thread.
awaitable<void> square(Pool& pool, std::uint64_t number, std::thread::id strand, std::uint64_t& sum) {
  const std::uint64_t result = co_await offload(pool, [number] { return number * number; });
  CHECK(std::this_thread::get_id() == strand);
  sum += result;
}

awaitable<std::uint64_t> squares(Pool& pool, std::uint64_t count) {
  std::uint64_t sum = 0;
  TaskGroup group(co_await asio::this_coro::executor);
  for (std::uint64_t i = 0; i < count; ++i) group.spawn(square(pool, i, std::this_thread::get_id(), sum));
  co_await group.join();
  co_return sum;
}

struct MovedOnly {
  explicit MovedOnly(int n) : number(std::make_unique<int>(n)) {}
  std::unique_ptr<int> number;
};

awaitable<bool> offload_kinds(Pool& pool) {
  const MovedOnly moved = co_await offload(pool, [] { return MovedOnly(5); });
  CHECK(*moved.number == 5);
  bool ran = false;
  co_await offload(pool, [&ran] { ran = true; });
  CHECK(ran);
  const auto owned = std::make_unique<int>(4);
  auto take_along = [inner = MovedOnly(*owned)] { return *inner.number; };
  const int kept = co_await offload(pool, take_along);
  CHECK(kept == 4);
  bool thrown = false;
  try {
    co_await offload(pool, [] { throw std::logic_error("misused"); });
  } catch (const std::logic_error&) {
    thrown = true;
  }
  co_return thrown;
}

struct Gate {
  std::mutex mutex;
  std::condition_variable moved;
  bool entered = false, open = false;
};

int pass(Gate& gate) {
  std::unique_lock lock(gate.mutex);
  gate.entered = true;
  gate.moved.notify_all();
  while (!gate.open) gate.moved.wait(lock);
  return 9;
}

awaitable<void> pass_offloaded(Pool& pool, Gate& gate, int& passed) {
  passed = co_await offload(pool, [&gate] { return pass(gate); });
  CHECK(co_await was_cancelled());
}

// The pool's one thread stands at the gate while the task is cancelled.
awaitable<int> cancel_offload(Pool& pool, Gate& gate) {
  int passed = 0;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(pass_offloaded(pool, gate, passed));
  for (bool entered = false; !entered;) {
    co_await next_turn();
    const std::lock_guard lock(gate.mutex);
    entered = gate.entered;
  }
  group.cancel();
  co_await next_turn();
  CHECK(group.size() == 1);
  {
    const std::lock_guard lock(gate.mutex);
    gate.open = true;
  }
  gate.moved.notify_all();
  co_await group.join();
  co_return passed;
}

}  // namespace

TEST_CASE("a virtual hour passes in milliseconds and to the second") {
  VirtualWorld world;
  CHECK(world.run(sleep_an_hour(world.timers)) == 3600);
  CHECK(world.timers.now() == at(1h));
}

TEST_CASE("virtual sleepers wake by time, and those of one moment in the order in which they lay down") {
  CHECK(order_of_naps(nullptr) == std::vector{0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 3});
}

TEST_CASE("a seed decides the order within one moment, the same each time") {
  const auto a = seeded_random(1), b = seeded_random(1), c = seeded_random(2);
  const auto first = order_of_naps(a.get());
  CHECK(first == order_of_naps(b.get()));
  CHECK(first != order_of_naps(c.get()));
  CHECK(first.front() == 0);
  CHECK(first.back() == 3);
}

TEST_CASE("virtual time stands still at the horizon and when nothing is left to do") {
  VirtualWorld world;
  Told<int> told;
  start(world.io, sleep_an_hour(world.timers), told);
  CHECK(!run_virtual(
      world.io, world.timers, [&] { return told.done; }, at(10s)));
  CHECK(world.timers.now() == at(10s));
  world.timers.jump_to(at(10s + 1ms));
  CHECK(run_virtual(world.io, world.timers, [&] { return told.done; }));
  CHECK(!step_virtual(world.io, world.timers));
}

TEST_CASE("real timers wake no earlier than asked, and at once for what has passed") {
  RealWorld world;
  const Instant before = world.timers.now();
  CHECK(world.run(number_after(world.timers, 2ms, 1)) == 1);
  CHECK(world.timers.now() >= before + 2ms);
  CHECK(world.run(number_after(world.timers, -1h, 1)) == 1);
}

TEST_CASE("a signal wakes all who wait, in order, at their next turn") {
  VirtualWorld world;
  std::vector<int> woken;
  CHECK(world.run(wake_three(woken)));
  CHECK(woken == std::vector{1, 2, 3});
}

TEST_CASE("cancelling a group ends every wait in it, begun or not") {
  VirtualWorld world;
  std::vector<int> woken;
  CHECK(world.run(cancel_waiting(woken)));
  CHECK(woken.size() == 3);
  for (int name : woken) CHECK(name < 0);
}

TEST_CASE("a cancelled task stays cancelled: every later wait ends at once") {
  VirtualWorld world;
  CHECK(world.run(cancel_stubborn(world.timers)) == 10);
  CHECK(world.timers.now() == at(0s));
  RealWorld real;
  CHECK(real.run(cancel_stubborn(real.timers)) == 10);
}

TEST_CASE("what a task throws cancels the others and comes out of join") {
  VirtualWorld world;
  Error sibling;
  CHECK(world.run(join_a_failing_group(world.timers, sibling)));
  CHECK(sibling == cancelled_error());
  CHECK(world.timers.now() == at(1s));
}

TEST_CASE("a race ends with its first and gives the endings of all") {
  VirtualWorld world;
  auto raced = world.run(race(number_after(world.timers, 3s, 1), number_after(world.timers, 2s, 2),
                              number_after(world.timers, 4s, 3)));
  CHECK(raced.first == 1);
  CHECK(raced.endings == std::tuple(-1, 2, -3));
  CHECK(world.timers.now() == at(2s));
}

TEST_CASE("cancelling a race cancels all who run") {
  VirtualWorld world;
  std::vector<int> endings;
  world.run(cancel_race(world.timers, endings));
  CHECK(endings == std::vector{-1, -2});
  CHECK(world.timers.now() == at(1s));
}

TEST_CASE("what a runner throws ends the race and comes out of it") {
  VirtualWorld world;
  CHECK(world.run(race_with_thrower(world.timers)));
  CHECK(world.timers.now() == at(1s));
}

TEST_CASE("within a limit the work's own result counts, past it the time") {
  VirtualWorld world;
  auto& timers = world.timers;
  CHECK(world.run(within(timers, 10s, result_after(timers, 1s, 5))).value() == 5);
  CHECK(world.run(within(timers, 10s, fail_with(NetErrc::refused))).error() == NetErrc::refused);
  CHECK(timers.now() == at(1s));
  CHECK(world.run(within(timers, 10s, result_after(timers, 1h, 5))).error() == NetErrc::timed_out);
  CHECK(timers.now() == at(11s));
  CHECK(world.run(within(timers, 10s, answer_anyway(timers))).value() == 7);
  CHECK(world.run(within(timers, Duration::max(), result_after(timers, 1h, 6))).value() == 6);
}

TEST_CASE("within a limit, being cancelled is not being late") {
  VirtualWorld world;
  CHECK(world.run(cancel_within(world.timers)).error() == cancelled_error());
  CHECK(world.timers.now() == at(1s));
}

TEST_CASE("offloaded work comes back to the strand it left, from threads and inline") {
  RealWorld world;
  ThreadPool threads(3);
  CHECK(world.run(squares(threads, 500)) == 41'541'750);
  CHECK(world.run(offload_kinds(threads)));
  InlinePool same(world.io.get_executor());
  CHECK(world.run(squares(same, 500)) == 41'541'750);
  CHECK(world.run(offload_kinds(same)));
}

TEST_CASE("cancelling an offload waits for its work and gives its result") {
  RealWorld world;
  ThreadPool threads(1);
  Gate gate;
  CHECK(world.run(cancel_offload(threads, gate)) == 9);
}

TEST_CASE("a thread pool runs everything it was given before it goes") {
  struct Count final : Job {
    explicit Count(std::atomic<int>& count) : done(count) {}
    void run() noexcept override { ++done; }
    std::atomic<int>& done;
  };
  std::atomic<int> done = 0;
  {
    ThreadPool threads(2);
    for (int i = 0; i < 200; ++i) threads.submit(std::make_unique<Count>(done));
  }
  CHECK(done == 200);
}

TEST_CASE("moments stop at the end of time instead of running over it") {
  CHECK(at(5s) + Duration::max() == Instant{Duration::max()});
  CHECK(at(5s) + 1s == at(6s));
}
