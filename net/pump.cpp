#include "net/pump.hpp"

#include <array>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/race.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace asio = boost::asio;

namespace {

// How many runs go out in one call of the system.
constexpr std::size_t runs_most = 64;
// How much is moved one way before everybody else on the strand gets a turn.
constexpr std::size_t turn_bytes = 128 * 1024;
// What is read and thrown away at once after the end.
constexpr std::size_t discard_bytes = 16 * 1024;
// How soon a machine is called again whose deadline has passed and stays.
constexpr Duration stubborn_deadline = std::chrono::milliseconds(1);

}  // namespace

Pump::Pump(Machine& machine, ByteStream& stream, Timers& timers, PumpOwner& owner)
    : machine_(machine), stream_(stream), timers_(timers), owner_(owner) {}

asio::awaitable<PumpEnding> Pump::run() {
  // The other two go on until they are cancelled: the end is where the last byte goes out.
  const auto raced = co_await race(write_loop(), read_loop(), timer_loop());
  stream_.close();
  co_return std::get<0>(raced.endings);
}

asio::awaitable<PumpEnding> Pump::write_loop() {
  const auto cancelled = [](const Error& error) { return PumpEnding{PumpEnding::Why::cancelled, error}; };
  std::size_t moved = 0;
  for (;;) {
    if (ending_ && ending_->why == PumpEnding::Why::broken) co_return *ending_;
    std::array<Bytes, runs_most> runs;
    const std::size_t count = machine_.outgoing(runs);
    if (count == 0 && ending_) break;
    if (count == 0) {
      if (const auto waited = co_await may_write_.wait(); !waited) co_return cancelled(waited.error());
      continue;
    }
    const auto sent = stream_.try_write(std::span(runs).first(count));
    if (sent) {
      machine_.sent(*sent, timers_.now());
      changed();
      if ((moved += *sent) >= turn_bytes) {
        moved = 0;
        co_await asio::post(asio::use_awaitable);
        if (co_await was_cancelled()) co_return cancelled(cancelled_error());
      }
      continue;
    }
    Error error = sent.error();
    if (is_would_block(error)) {
      const auto waited = co_await stream_.writable();
      if (waited) continue;
      error = waited.error();
    }
    if (error == cancelled_error()) co_return cancelled(error);
    if (ending_ && ending_->why == PumpEnding::Why::finished) ending_->why = PumpEnding::Why::cut_short;
    end_with({PumpEnding::Why::broken, error});
    co_return *ending_;
  }
  stream_.end();
  // A close while the other side still sends would make the system tell it to forget what it has not read.
  while (!read_over_)
    if (const auto waited = co_await may_write_.wait(); !waited) co_return cancelled(waited.error());
  co_return *ending_;
}

asio::awaitable<Result<void>> Pump::read_loop() {
  std::size_t moved = 0;
  bool drained = true;
  while (!ending_) {
    if (!machine_.wants_bytes()) {
      if (const auto waited = co_await may_read_.wait(); !waited) co_return waited;
      continue;
    }
    if (drained) {
      const auto waited = co_await stream_.readable();
      drained = false;
      if (waited) continue;
      if (waited.error() == cancelled_error()) co_return waited;
      end_with({PumpEnding::Why::broken, waited.error()});
      wake();
      break;
    }
    const MutableBytes room = machine_.room();
    invariant(!room.empty(), "a machine that wants bytes has room for them");
    const std::size_t free = room.size();
    const auto taken = stream_.try_read(room);
    if (!taken && is_would_block(taken.error())) {
      drained = true;
      continue;
    }
    if (!taken || *taken == 0) {
      end_with(taken ? PumpEnding{PumpEnding::Why::ended}
                     : PumpEnding{PumpEnding::Why::broken, taken.error()});
      wake();
      break;
    }
    machine_.received(*taken, timers_.now());
    changed();
    // A room that was not filled has emptied the stream; asking it again would be in vain.
    drained = *taken < free;
    if ((moved += *taken) >= turn_bytes) {
      moved = 0;
      co_await asio::post(asio::use_awaitable);
      if (co_await was_cancelled()) co_return cancelled_error();
    }
  }
  co_return co_await discard_loop();
}

// What still comes in is of no use; it is taken so that the other side's end can be seen.
asio::awaitable<Result<void>> Pump::discard_loop() {
  std::array<std::byte, discard_bytes> scratch;
  while (!read_over_) {
    const auto taken = co_await read_some(stream_, scratch);
    if (!taken && taken.error() == cancelled_error()) co_return taken.error();
    read_over_ = !taken || *taken == 0;
    co_await asio::post(asio::use_awaitable);
  }
  may_write_.notify();
  Signal never;
  co_return co_await never.wait();
}

asio::awaitable<Result<void>> Pump::timer_loop() {
  for (;;) {
    auto deadline = next_deadline();
    const Instant now = timers_.now();
    if (deadline && *deadline <= now) {
      if (ending_) break;
      machine_.on_time(now);
      changed();
      if (const auto next = next_deadline(); next && *next <= now)
        if (const auto slept = co_await timers_.sleep_until(now + stubborn_deadline); !slept) co_return slept;
      continue;
    }
    if (!deadline) {
      if (const auto waited = co_await until_sooner(deadline); !waited) co_return waited;
      continue;
    }
    const auto raced = co_await race(timers_.sleep_until(*deadline), until_sooner(deadline));
    const auto& first = raced.first == 0 ? std::get<0>(raced.endings) : std::get<1>(raced.endings);
    if (!first) co_return first;
  }
  // The last bytes have had their time. The other loops see the closed stream and end.
  stream_.close();
  Signal never;
  co_return co_await never.wait();
}

asio::awaitable<Result<void>> Pump::until_sooner(std::optional<Instant> than) {
  waited_for_ = than;
  while (!is_sooner())
    if (const auto waited = co_await sooner_.wait(); !waited) co_return waited;
  co_return Result<void>();
}

bool Pump::is_sooner() const {
  const auto deadline = next_deadline();
  return deadline && (!waited_for_ || *deadline < *waited_for_);
}

std::optional<Instant> Pump::next_deadline() const {
  if (ending_) return flush_until_;
  return machine_.next_deadline();
}

void Pump::end_with(PumpEnding ending) {
  if (ending_) return;
  ending_ = ending;
  flush_until_ = timers_.now() + flush_limit;
  if (ending.why != PumpEnding::Why::finished) {
    read_over_ = true;
    if (ending.why == PumpEnding::Why::broken)
      machine_.stream_broke(timers_.now());
    else
      machine_.stream_ended(timers_.now());
    owner_.drain();
  }
}

void Pump::changed() {
  owner_.drain();
  wake();
}

void Pump::wake() {
  if (machine_.finished()) end_with({PumpEnding::Why::finished});
  if (may_write_.awaited()) {
    std::array<Bytes, 1> run;
    if (ending_ || machine_.outgoing(run) != 0) may_write_.notify();
  }
  if (may_read_.awaited() && (ending_ || machine_.wants_bytes())) may_read_.notify();
  if (sooner_.awaited() && is_sooner()) sooner_.notify();
}

}  // namespace sheaf
