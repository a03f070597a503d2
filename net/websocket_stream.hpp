// A WebSocket (RFC 6455) as a ByteStream, by Boost.Beast, over a stream of the caller's.
//
// Binary messages carry the bytes; where one ends and the next begins means nothing. What is written in one
// call goes out as one message. Nothing is compressed or fragmented. The bounds are L16 (docs/limits.md).
// Bytes are read straight into the caller's room except for what comes along with a frame's head, and
// written straight from the caller's runs except by the dialling side, whose bytes are masked on the way.
//
// A WebSocket has no half-close: when the other side ends, what is written here afterwards goes nowhere.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "net/upgrade_policy.hpp"
#include "sheaf/net/address.hpp"
#include "sheaf/net/byte_stream.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/protocol/limits.hpp"

namespace sheaf {

class WebSocketStream final : public ByteStream {
 public:
  // The accepting side. It is a stream at once: reading it takes the HTTP request and answers it, and gives
  // bytes once that made a WebSocket. A request that is not admitted gets its status (400, 403, 404, 405,
  // 426 or 431; 408 if it is closed before it was whole), and reading fails with upgrade_refused.
  // There is no limit of time: whoever waits for the first bytes has one. `timers` outlive the stream.
  static std::unique_ptr<WebSocketStream> accept(std::unique_ptr<ByteStream> below,
                                                 boost::asio::any_io_executor executor, const Limits& limits,
                                                 Timers& timers, UpgradePolicy policy);

  // The dialling side: asks for the upgrade of `address` and gives the stream once it was granted.
  // upgrade_refused when the answer is another one, bad_upgrade when it is none. Cancelling drops `below`.
  static boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(
      std::unique_ptr<ByteStream> below, Address address, Limits limits, Timers& timers);
  ~WebSocketStream() override;

  // Once the other side has broken the rules it is told so (close code 1002, 1003, 1008 or 1009) and has a
  // second to hear it; then reading fails.
  Result<std::size_t> try_read(MutableBytes into) override;
  boost::asio::awaitable<Result<void>> readable() override;
  Result<std::size_t> try_write(std::span<const Bytes> runs) override;
  boost::asio::awaitable<Result<void>> writable() override;
  void end() override;
  void close() override;
  std::string remote() const override;

 private:
  class Impl;
  explicit WebSocketStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
