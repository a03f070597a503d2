// What every ByteStream promises, on both kinds; the weather of the loopback; who is let in by a listener.
#include <array>
#include <chrono>
#include <functional>
#include <numeric>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
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

namespace {

Buffer pattern(std::size_t size, std::uint64_t seed) {
  Buffer out(size);
  seeded_random(seed)->fill(out);
  return out;
}

awaitable<void> next_turn() { co_await asio::post(asio::use_awaitable); }

awaitable<Buffer> read_to_end(ByteStream& stream, std::size_t at_once) {
  Buffer out, piece(at_once);
  for (;;) {
    const auto taken = co_await read_some(stream, piece);
    if (!taken || *taken == 0) co_return out;
    append(out, Bytes(piece).first(*taken));
  }
}

awaitable<void> send_and_end(ByteStream& stream, Bytes bytes, Result<void>& ending) {
  ending = co_await write_all(stream, bytes);
  stream.end();
}

awaitable<void> receive(ByteStream& stream, std::size_t at_once, Buffer& out) {
  out = co_await read_to_end(stream, at_once);
}

// Both ways at the same time, to the end in both.
awaitable<bool> exchange(ByteStream& a, ByteStream& b, std::size_t size) {
  const Buffer there = pattern(size, 1), back = pattern(size, 2);
  Buffer at_b, at_a;
  Result<void> sent_there, sent_back;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(send_and_end(a, there, sent_there));
  group.spawn(send_and_end(b, back, sent_back));
  group.spawn(receive(a, 4'000, at_a));
  group.spawn(receive(b, 100'000, at_b));
  co_await group.join();
  co_return sent_there&& sent_back&& equal(at_b, there) && equal(at_a, back);
}

awaitable<bool> would_block_at_first(ByteStream& a) {
  std::array<std::byte, 4> into{};
  const auto taken = a.try_read(into);
  co_return taken.has_error() && is_would_block(taken.error());
}

// The runs of one call arrive one behind the other.
awaitable<bool> gather(ByteStream& a, ByteStream& b) {
  const Buffer bytes = pattern(200, 3);
  std::vector<Bytes> runs;
  for (std::size_t i = 0; i < bytes.size(); i += 2) runs.push_back(Bytes(bytes).subspan(i, 2));
  std::size_t sent = 0;
  while (sent < bytes.size()) sent += a.try_write(std::span(runs).subspan(sent / 2)).value();
  Buffer heard(bytes.size());
  (co_await read_all(b, heard)).value();
  co_return equal(heard, bytes);
}

// A writer whose reader does not read waits instead of piling up.
awaitable<std::size_t> fill_up(ByteStream& a) {
  const Buffer bytes(64 * 1024);
  const Bytes run = bytes;
  std::size_t sent = 0;
  for (;;) {
    const auto count = a.try_write({&run, 1});
    if (!count) {
      CHECK(is_would_block(count.error()));
      co_return sent;
    }
    sent += *count;
  }
}

awaitable<void> wait_writable(ByteStream& stream, Result<void>& ending) {
  ending = co_await stream.writable();
}
awaitable<void> wait_readable(ByteStream& stream, Result<void>& ending) {
  ending = co_await stream.readable();
}

awaitable<bool> writable_again_once_read(ByteStream& a, ByteStream& b) {
  std::size_t left = co_await fill_up(a);
  Result<void> ending = cancelled_error();
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_writable(a, ending));
  co_await next_turn();
  co_await next_turn();
  CHECK(group.size() == 1);
  Buffer piece(64 * 1024);
  while (left > 0) left -= (co_await read_some(b, piece)).value();
  co_await group.join();
  co_return ending.has_value();
}

awaitable<bool> cancel_keeps_bytes(ByteStream& a, ByteStream& b) {
  Result<void> reading;
  {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(wait_readable(b, reading));
    co_await next_turn();
    co_await next_turn();
    group.cancel();
    co_await group.join();
  }
  CHECK(reading.error() == cancelled_error());
  const Buffer bytes = pattern(1'000, 4);
  (co_await write_all(a, bytes)).value();
  Buffer heard(bytes.size());
  (co_await read_all(b, heard)).value();
  co_return equal(heard, bytes);
}

awaitable<bool> close_wakes_waiters(ByteStream& a, ByteStream& b) {
  co_await fill_up(a);
  Result<void> reading, writing;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_readable(a, reading));
  group.spawn(wait_writable(a, writing));
  co_await next_turn();
  co_await next_turn();
  a.close();
  a.close();
  co_await group.join();
  std::array<std::byte, 4> into{};
  const Bytes run = into;
  CHECK(a.try_read(into).error() == NetErrc::closed);
  CHECK(a.try_write({&run, 1}).error() == NetErrc::closed);
  b.close();
  co_return true;
}

awaitable<bool> ended_is_an_error_where_more_is_due(ByteStream& a, ByteStream& b) {
  const Buffer bytes = pattern(10, 5);
  (co_await write_all(a, bytes)).value();
  a.end();
  Buffer heard(11);
  const auto read = co_await read_all(b, heard);
  co_return read.has_error() && read.error() == NetErrc::ended;
}

awaitable<bool> writing_after_the_end_fails(ByteStream& a) {
  a.end();
  const Buffer bytes(10);
  const auto sent = co_await write_all(a, bytes);
  co_return sent.error() == asio::error::broken_pipe;
}

struct Ends {
  std::unique_ptr<ByteStream> a, b;
};

awaitable<void> accept_one(Listener& listener, std::unique_ptr<ByteStream>& out) {
  out = (co_await listener.accept()).value();
}

awaitable<Ends> connect(Timers& timers, Admission& admission) {
  Ends ends;
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, timers, admission)).value();
  TcpDialer dialer(co_await asio::this_coro::executor, timers);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(accept_one(*listener, ends.b));
  const Address target = listener->local();
  ends.a = (co_await dialer.dial(target)).value();
  co_await group.join();
  co_return ends;
}

using Check = std::function<awaitable<bool>(ByteStream&, ByteStream&)>;

bool holds_in_memory(const Check& check, const Road& road) {
  VirtualWorld world;
  auto ends = make_loopback(world.timers, road, road);
  return world.run(check(*ends.first, *ends.second));
}

bool holds_on_tcp(const Check& check) {
  RealWorld world;
  const Limits limits;
  Admission admission(limits, world.timers);
  auto ends = world.run(connect(world.timers, admission));
  return world.run(check(*ends.a, *ends.b));
}

void holds_everywhere(const Check& check) {
  CHECK(holds_on_tcp(check));
  const auto split = seeded_random(7);
  CHECK(holds_in_memory(check, {}));
  CHECK(holds_in_memory(check, {.delay = 40ms}));
  CHECK(holds_in_memory(check, {.delay = 40ms, .bytes_per_second = 1'000'000, .split = split.get()}));
  CHECK(holds_in_memory(check, {.buffer_bytes = 1'500, .split = split.get()}));
}

awaitable<bool> two_way(ByteStream& a, ByteStream& b) { return exchange(a, b, 60'000); }
awaitable<bool> two_way_in_drops(ByteStream& a, ByteStream& b) { return exchange(a, b, 10'000); }
awaitable<bool> nothing_at_first(ByteStream& a, ByteStream&) { return would_block_at_first(a); }
awaitable<bool> no_more_after_end(ByteStream& a, ByteStream&) { return writing_after_the_end_fails(a); }

}  // namespace

TEST_CASE("a stream carries both directions, to the end of each") {
  holds_everywhere(two_way);
  CHECK(holds_in_memory(two_way_in_drops, {.buffer_bytes = 3}));
}
TEST_CASE("a stream without bytes would block") { holds_everywhere(nothing_at_first); }
TEST_CASE("a stream sends many runs in order") {
  CHECK(holds_on_tcp(gather));
  CHECK(holds_in_memory(gather, {}));
}
TEST_CASE("a stream lets its writer wait for its reader") { holds_everywhere(writable_again_once_read); }
TEST_CASE("a stream loses nothing when a wait is cancelled") { holds_everywhere(cancel_keeps_bytes); }
TEST_CASE("a closed stream wakes who waits and refuses everything after") {
  holds_everywhere(close_wakes_waiters);
}
TEST_CASE("a stream that ends too early says so") { holds_everywhere(ended_is_an_error_where_more_is_due); }
TEST_CASE("a stream that was ended takes no more") { holds_everywhere(no_more_after_end); }

namespace {

awaitable<Instant> send_and_time(Timers& timers, LoopbackStream& from, LoopbackStream& to, std::size_t size) {
  const Buffer bytes(size);
  Buffer heard(size);
  Result<void> sent;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(send_and_end(from, bytes, sent));
  (co_await read_all(to, heard)).value();
  const Instant arrived = timers.now();
  co_await group.join();
  co_return arrived;
}

awaitable<Buffer> read_until_broken(ByteStream& stream, Error& error) {
  Buffer out, piece(1'000);
  for (;;) {
    const auto taken = co_await read_some(stream, piece);
    if (!taken) {
      error = taken.error();
      co_return out;
    }
    append(out, Bytes(piece).first(*taken));
  }
}

awaitable<bool> cut_at_byte(LoopbackStream& a, LoopbackStream& b) {
  const Buffer bytes = pattern(10'000, 9);
  Result<void> sent;
  Error broke;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(send_and_end(a, bytes, sent));
  const Buffer heard = co_await read_until_broken(b, broke);
  co_await group.join();
  CHECK(equal(heard, Bytes(bytes).first(1'234)));
  CHECK(broke == asio::error::connection_reset);
  const Bytes run = bytes;
  CHECK(a.try_write({&run, 1}).error() == asio::error::connection_reset);
  CHECK(b.try_write({&run, 1}).error() == asio::error::connection_reset);
  co_return true;
}

awaitable<bool> cut_at_moment(Timers& timers, LoopbackStream& a, LoopbackStream& b) {
  const Buffer bytes = pattern(100, 9);
  (co_await write_all(a, bytes)).value();
  Result<void> reading;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_readable(b, reading));
  co_await timers.sleep_until(timers.now() + 10ms);
  a.cut();
  co_await group.join();
  CHECK(timers.now() == Instant{10ms});
  std::array<std::byte, 4> into{};
  CHECK(b.try_read(into).error() == asio::error::connection_reset);
  co_return true;
}

awaitable<std::vector<std::size_t>> sizes_read(LoopbackStream& a, LoopbackStream& b) {
  const Buffer bytes(1'000);
  (co_await write_all(a, bytes)).value();
  a.end();
  Buffer piece(1'000);
  std::vector<std::size_t> sizes;
  for (;;) {
    sizes.push_back((co_await read_some(b, piece)).value());
    if (sizes.back() == 0) co_return sizes;
  }
}

std::vector<std::size_t> sizes_by_seed(std::uint64_t seed) {
  VirtualWorld world;
  const auto split = seeded_random(seed);
  auto ends = make_loopback(world.timers, {.split = split.get()}, {});
  return world.run(sizes_read(*ends.first, *ends.second));
}

}  // namespace

TEST_CASE("a road's delay is that of its first byte, its rate that of its last") {
  VirtualWorld world;
  auto ends = make_loopback(world.timers, {.delay = 250ms, .bytes_per_second = 100'000}, {});
  const Instant arrived = world.run(send_and_time(world.timers, *ends.first, *ends.second, 1'000'000));
  CHECK(arrived >= Instant{10s + 250ms});
  CHECK(arrived <= Instant{15s});  // a full buffer stands still for a delay before it is read
}

TEST_CASE("a road holds no more than its buffer") {
  VirtualWorld world;
  auto ends = make_loopback(world.timers, {.buffer_bytes = 100'000}, {});
  CHECK(world.run(fill_up(*ends.first)) == 100'000);
  CHECK(ends.first->under_way() == 100'000);
  CHECK(ends.second->under_way() == 0);
}

TEST_CASE("a road is cut after exactly the byte that was chosen") {
  VirtualWorld world;
  auto ends = make_loopback(world.timers, {.buffer_bytes = 500, .cut_after = 1'234}, {});
  CHECK(world.run(cut_at_byte(*ends.first, *ends.second)));
}

TEST_CASE("a road is cut at once, and what is under way is lost") {
  VirtualWorld world;
  auto ends = make_loopback(world.timers, {.delay = 1s}, {});
  CHECK(world.run(cut_at_moment(world.timers, *ends.first, *ends.second)));
}

TEST_CASE("a seed splits the bytes the same way each time") {
  const auto once = sizes_by_seed(1);
  CHECK(once.size() > 5);
  CHECK(once == sizes_by_seed(1));
  CHECK(once != sizes_by_seed(2));
  CHECK(std::accumulate(once.begin(), once.end(), std::size_t{0}) == 1'000);
}

namespace {

awaitable<Error> dial_error(Timers& timers, Address address, Duration limit) {
  TcpDialer dialer(co_await asio::this_coro::executor, timers, limit);
  auto dialed = co_await dialer.dial(address);
  co_return dialed ? Error() : dialed.error();
}

awaitable<void> keep_dial_error(Timers& timers, const Address& address, Error& error) {
  error = co_await dial_error(timers, address, 10s);
}

// A host whose queue of connections is full, so that it does not answer any more.
awaitable<Error> dial_in_vain() {
  using asio::ip::tcp;
  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  acceptor.listen(0);
  std::vector<tcp::socket> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(executor);
    fillers.back().async_connect(acceptor.local_endpoint(), [](const Error&) {});
  }
  VirtualTimers timers;
  Error error;
  Address target;
  target.host = "127.0.0.1";
  target.port = acceptor.local_endpoint().port();
  TaskGroup group(executor);
  group.spawn(keep_dial_error(timers, target, error));
  while (!timers.next_wake()) co_await next_turn();
  timers.wake_next();
  co_await group.join();
  CHECK(timers.now() == Instant{10s});
  co_return error;
}

// A port that was free a moment ago.
awaitable<Address> unused_port(Timers& timers, Admission& admission) {
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, timers, admission)).value();
  co_return listener->local();
}

awaitable<void> keep_accepting(Listener& listener, std::vector<std::unique_ptr<ByteStream>>& streams) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    streams.push_back(std::move(*stream));
  }
}

// Dials and tells whether the other side lets us in: a byte comes, or the end.
awaitable<bool> let_in(Dialer& dialer, const Address& address, std::vector<std::unique_ptr<ByteStream>>& mine,
                       std::vector<std::unique_ptr<ByteStream>>& theirs) {
  const std::size_t before = theirs.size();
  auto stream = (co_await dialer.dial(address)).value();
  std::array<std::byte, 1> byte{};
  Result<void> readable;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_readable(*stream, readable));
  while (theirs.size() == before && !group.empty()) co_await next_turn();
  const bool admitted = theirs.size() > before;
  if (!admitted) CHECK(stream->try_read(byte).value() == 0);
  group.cancel();
  co_await group.join();
  mine.push_back(std::move(stream));
  co_return admitted;
}

awaitable<std::vector<bool>> knock(Timers& timers, Admission& admission, std::size_t times) {
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, timers, admission)).value();
  const Address target = listener->local();
  std::vector<std::unique_ptr<ByteStream>> mine, theirs;
  TcpDialer dialer(co_await asio::this_coro::executor, timers);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(keep_accepting(*listener, theirs));
  std::vector<bool> admitted;
  for (std::size_t i = 0; i < times; ++i) admitted.push_back(co_await let_in(dialer, target, mine, theirs));
  CHECK(admission.connections() == theirs.size());
  theirs.erase(theirs.begin());
  CHECK(admission.connections() == theirs.size());
  admitted.push_back(co_await let_in(dialer, target, mine, theirs));
  listener->close();
  co_await group.join();
  co_return admitted;
}

std::vector<bool> knocked(const Limits& limits, std::size_t times) {
  RealWorld world;
  Admission admission(limits, world.timers);
  return world.run(knock(world.timers, admission, times));
}

awaitable<Error> accept_error(Listener& listener) {
  auto stream = co_await listener.accept();
  co_return stream ? Error() : stream.error();
}

awaitable<void> keep_error(Listener& listener, Error& error) { error = co_await accept_error(listener); }

// With no descriptor left, a connection waits; it is taken after the pause, when there is one again.
awaitable<bool> run_out_of_descriptors(Timers& timers, VirtualTimers& pauses, Admission& admission) {
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, pauses, admission)).value();
  const Address target = listener->local();
  TcpDialer dialer(co_await asio::this_coro::executor, timers);
  auto first = (co_await dialer.dial(target)).value();

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  setrlimit(RLIMIT_NOFILE, &none);
  std::vector<std::unique_ptr<ByteStream>> theirs;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(keep_accepting(*listener, theirs));
  while (!pauses.next_wake()) co_await next_turn();
  CHECK(pauses.next_wake() == Instant{1s});
  pauses.wake_next();
  while (!pauses.next_wake()) co_await next_turn();
  CHECK(theirs.empty());
  CHECK(pauses.next_wake() == Instant{2s});
  setrlimit(RLIMIT_NOFILE, &before);
  pauses.wake_next();
  while (theirs.empty()) co_await next_turn();
  listener->close();
  co_await group.join();
  co_return true;
}

}  // namespace

TEST_CASE("dialing gives up after its limit") {
  RealWorld world;
  CHECK(world.run(dial_in_vain()) == NetErrc::timed_out);
}

TEST_CASE("dialing names what went wrong") {
  RealWorld world;
  const Limits limits;
  Admission admission(limits, world.timers);
  const Address unused = world.run(unused_port(world.timers, admission));
  CHECK(world.run(dial_error(world.timers, unused, 5s)) == NetErrc::refused);
  Address ws = unused;
  ws.scheme = Scheme::ws;
  CHECK(world.run(dial_error(world.timers, ws, 5s)) == NetErrc::refused);
}

TEST_CASE("a listener takes no more connections from one host than its limit") {
  Limits limits;
  limits.connections_per_address = 3;
  CHECK(knocked(limits, 5) == std::vector{true, true, true, false, false, true});
}

TEST_CASE("a listener takes no more connections in all than its limit") {
  Limits limits;
  limits.connections = 2;
  CHECK(knocked(limits, 3) == std::vector{true, true, false, true});
}

TEST_CASE("the last descriptors are kept in reserve") {
  rlimit open_files{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &open_files) == 0);
  VirtualTimers timers;
  Limits limits;
  limits.reserved_descriptors = 64;
  Admission admission(limits, timers);
  const int first_in_reserve = static_cast<int>(open_files.rlim_cur) - 64;
  CHECK(admission.admit("host", first_in_reserve - 1).has_value());
  CHECK(!admission.admit("host", first_in_reserve));
}

TEST_CASE("a listener without descriptors pauses and goes on") {
  RealWorld world;
  const Limits limits;
  VirtualTimers pauses;
  Admission admission(limits, world.timers);
  CHECK(world.run(run_out_of_descriptors(world.timers, pauses, admission)));
}

namespace {

awaitable<Error> close_while_accepting(Timers& timers, Admission& admission) {
  Address address;
  address.host = "127.0.0.1";
  auto listener = (co_await TcpListener::listen(address, timers, admission)).value();
  Error error;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(keep_error(*listener, error));
  co_await next_turn();
  co_await next_turn();
  listener->close();
  co_await group.join();
  co_return error;
}

}  // namespace

TEST_CASE("closing a listener ends its accept") {
  RealWorld world;
  const Limits limits;
  Admission admission(limits, world.timers);
  CHECK(world.run(close_while_accepting(world.timers, admission)) == NetErrc::closed);
}

TEST_CASE("twenty connections come in at once, and twenty each second after") {
  VirtualWorld world;
  Limits limits;
  limits.connections = limits.connections_per_address = 1'000;
  Admission admission(limits, world.timers);
  std::vector<Admission::Ticket> tickets;
  const auto admit = [&](int times) {
    const std::size_t before = tickets.size();
    for (int i = 0; i < times; ++i)
      if (auto ticket = admission.admit("host", 3)) tickets.push_back(std::move(*ticket));
    return tickets.size() - before;
  };
  CHECK(admit(100) == 20);
  world.timers.jump_to({500ms});
  CHECK(admit(100) == 10);
  world.timers.jump_to({3'600s});
  CHECK(admit(100) == 20);
  CHECK(admission.connections() == 50);
  tickets.clear();
  CHECK(admission.connections() == 0);
}

TEST_CASE("of too many half-open sessions the oldest is closed, from one host and in all") {
  VirtualWorld world;
  Limits limits;
  limits.half_open_sessions = 3;
  limits.half_open_per_address = 2;
  Admission admission(limits, world.timers);
  std::vector<LoopbackPair> pairs;
  for (int i = 0; i < 5; ++i) pairs.push_back(make_loopback(world.timers));
  const auto is_closed = [&](std::size_t i) {
    std::array<std::byte, 1> byte{};
    return pairs[i].first->try_read(byte).error() == NetErrc::closed;
  };
  auto a0 = admission.half_open("a", *pairs[0].first);
  auto a1 = admission.half_open("a", *pairs[1].first);
  CHECK(!is_closed(0));
  auto a2 = admission.half_open("a", *pairs[2].first);
  CHECK(is_closed(0));
  CHECK(!is_closed(1));
  auto b3 = admission.half_open("b", *pairs[3].first);
  CHECK(!is_closed(1));
  {
    auto c4 = admission.half_open("c", *pairs[4].first);
    CHECK(is_closed(1));
    CHECK(!is_closed(2));
  }
  CHECK(!is_closed(3));
}
