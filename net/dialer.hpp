// Connects to addresses: over TCP, bare or with a WebSocket on it, or by a command that is started.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/timers.hpp"
#include "sheaf/net/transport.hpp"
#include "sheaf/protocol/limits.hpp"

namespace sheaf {

// Tries every number that the host's name leads to, one after another, within one limit for all of it.
// Fails with refused, unreachable, name_not_found, timed_out, the system's error, and for ws:// with
// upgrade_refused and bad_upgrade.
class TcpDialer final : public Dialer {
 public:
  // The streams run on `executor`.
  TcpDialer(boost::asio::any_io_executor executor, Timers& timers, Duration limit = std::chrono::seconds(10),
            const Limits& limits = {})
      : executor_(std::move(executor)), timers_(timers), limit_(limit), limits_(limits) {}

  boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> dial(const Address& address) override;

 private:
  boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(const Address& address);
  boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> open(const Address& address);

  boost::asio::any_io_executor executor_;
  Timers& timers_;
  Duration limit_;
  Limits limits_;
};

}  // namespace sheaf
