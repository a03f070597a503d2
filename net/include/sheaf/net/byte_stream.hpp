// One connection as bytes in order, both ways: TCP, WebSocket, stdio, or two ends in memory.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <span>
#include <string>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf {

// Used from one strand; at most one read and one write are under way at a time. The owner outlives both.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // At least one byte, or 0 once the other side has closed its direction. Cancelling loses no byte.
  virtual boost::asio::awaitable<Result<std::size_t>> read_some(MutableBytes into) = 0;

  // Sends some of the runs, in order; gives how many bytes went. After cancelling it is unknown how many
  // did: the stream can only be closed.
  virtual boost::asio::awaitable<Result<std::size_t>> write_some(std::span<const Bytes> runs) = 0;

  // Says that nothing more will be written (TCP FIN). What was written before still arrives.
  virtual void end() = 0;

  // Drops the connection at once; pending calls end with operation_aborted.
  virtual void close() = 0;

  // Who is at the other end, for people and logs, e.g. "tcp://127.0.0.1:4900".
  virtual std::string remote() const = 0;
};

}  // namespace sheaf
