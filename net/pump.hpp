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
    finished,   // the machine had finished; all it had to say was sent
    ended,      // the other side closed its direction
    broken,     // the stream failed; `error` says how
    cut_short,  // finished, but the other side did not take the last bytes in time
    cancelled,
  };
  Why why;
  Error error{};
};

class Pump {
 public:
  // For how long the last bytes of a finished machine may take to go.
  static constexpr Duration flush_limit = std::chrono::seconds(2);

  // All outlive run().
  Pump(Machine& machine, ByteStream& stream, Timers& timers, PumpOwner& owner);

  // Until the machine has finished, the stream has ended, or we are cancelled. The machine hears of an ended
  // or broken stream (stream_ended, then drain) before this returns, and after finishing its last bytes are
  // flushed. The stream is closed in every case. Called once.
  boost::asio::awaitable<PumpEnding> run();

  // To be called after commands to the machine from outside drain(). Cheap; many calls in one turn of the
  // executor come to one write of everything outgoing.
  void wake();

 private:
  boost::asio::awaitable<PumpEnding> read_loop();
  boost::asio::awaitable<PumpEnding> write_loop();
  boost::asio::awaitable<PumpEnding> timer_loop();
  boost::asio::awaitable<PumpEnding> park();
  void stream_gone(PumpEnding ending);
  void changed();

  Machine& machine_;
  ByteStream& stream_;
  Timers& timers_;
  PumpOwner& owner_;
  Signal turn_;    // something may have become outgoing, wanted or finished
  Signal sooner_;  // a deadline has come nearer than the one waited for
  std::optional<Instant> waited_for_;
  std::optional<PumpEnding> ending_;  // set once: from then on only the last bytes are sent
  std::optional<Instant> flush_until_;
};

}  // namespace sheaf
