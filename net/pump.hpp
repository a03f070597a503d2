// Where a machine meets a stream: bytes in, bytes out, deadlines. It holds no policy.
//
// Three loops run on one strand. The reading one fills the machine's room while wants_bytes(); the writing
// one sends what is outgoing, up to 64 runs in one call of the system; the third calls on_time(). All calls
// of the machine come from here or from its owner, on the same strand.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "protocol/machine.hpp"
#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"

namespace sheaf {

class PumpOwner {
 public:
  // The machine has changed: take its events. May call commands of the machine, and Pump::wake().
  virtual void drain() = 0;

 protected:
  ~PumpOwner() = default;
};

struct PumpEnding {
  enum class Why {
    finished,   // the machine had finished, and all it had to say was sent
    cut_short,  // the machine had finished, but its last bytes did not go in time
    ended,      // the other side closed its direction
    broken,     // the stream failed; `error` says how
    cancelled,
  };
  Why why;
  Error error{};
};

class Pump {
 public:
  // How long a finished machine's last bytes may take to go, and the other side to close in its turn.
  static constexpr Duration flush_limit = std::chrono::seconds(1);

  // All outlive run().
  Pump(Machine& machine, ByteStream& stream, Timers& timers, PumpOwner& owner);

  // Until the machine has finished, the stream has ended, or we are cancelled. The machine hears of an ended
  // or broken stream (stream_ended or stream_broke, then drain); what is outgoing then or after finishing
  // still goes, within the limit. Cancelling drops it. The stream is closed in every case. Called once.
  boost::asio::awaitable<PumpEnding> run();

  // To be called after commands to the machine from outside drain(). Cheap; many calls in one turn of the
  // executor come to one write of everything outgoing.
  void wake();

 private:
  boost::asio::awaitable<PumpEnding> write_loop();
  boost::asio::awaitable<Result<void>> read_loop();
  boost::asio::awaitable<Result<void>> discard_loop();
  boost::asio::awaitable<Result<void>> timer_loop();
  boost::asio::awaitable<Result<void>> until_sooner(std::optional<Instant> than);
  bool is_sooner() const;
  std::optional<Instant> next_deadline() const;
  void end_with(PumpEnding ending);
  void changed();

  Machine& machine_;
  ByteStream& stream_;
  Timers& timers_;
  PumpOwner& owner_;
  Signal may_read_;   // the machine may want bytes again, or it is ending
  Signal may_write_;  // something may be outgoing, or it is ending, or nothing more is read
  Signal sooner_;     // a deadline has come nearer than waited_for_
  std::optional<Instant> waited_for_;
  std::optional<PumpEnding> ending_;  // set once: from then on only what is outgoing is sent
  Instant flush_until_{};             // once ending
  bool read_over_ = false;            // the other side has closed its direction, or the stream broke
};

}  // namespace sheaf
