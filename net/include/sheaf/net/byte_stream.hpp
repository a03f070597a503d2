// One connection as bytes in order, both ways: TCP, WebSocket, stdio, or two ends in memory.
//
// A stream is asked and never handed a buffer to keep: one waits until it is readable or writable and then
// moves bytes in a call that does not wait. So the room read into and the views written from need to hold
// still only for that call, and a session that is idle keeps no buffer at all.
#pragma once

#include <span>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf {

// Used from one strand; at most one readable() is awaited at a time. The owner outlives all waits. Cancelling
// a wait ends it with cancelled_error() and loses nothing.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Takes what is there, at least one byte; 0 once the other side has closed its direction; an error that
  // is_would_block() if nothing is there yet. Requires: into is not empty.
  virtual Result<std::size_t> try_read(MutableBytes into) = 0;
  // Ends once try_read() would give anything but would-block; may end early. An error: never any more.
  virtual boost::asio::awaitable<Result<void>> readable() = 0;

  // Sends some of the runs, in order, and gives how many bytes went; an error that is_would_block() if none
  // can go now. Requires: at least one byte.
  virtual Result<std::size_t> try_write(std::span<const Bytes> runs) = 0;
  virtual boost::asio::awaitable<Result<void>> writable() = 0;

  // Says that nothing more will be written (TCP FIN). What was written before still arrives.
  virtual void end() = 0;

  // Drops the connection at once: whoever waits is woken, and every later call gives an error.
  virtual void close() = 0;

  // Who is at the other end, for people and logs, e.g. "tcp://127.0.0.1:4900".
  virtual std::string remote() const = 0;
};

Error would_block_error() noexcept;
bool is_would_block(const Error& error) noexcept;

// At least one byte of `into`, or 0 at the end. Cancelling loses no byte.
boost::asio::awaitable<Result<std::size_t>> read_some(ByteStream& stream, MutableBytes into);
// All of `into`; NetErrc::ended if the stream ends before. After an error it is unknown how much was taken.
boost::asio::awaitable<Result<void>> read_all(ByteStream& stream, MutableBytes into);
// All of `bytes`. After an error it is unknown how much went: the stream can only be closed.
boost::asio::awaitable<Result<void>> write_all(ByteStream& stream, Bytes bytes);

}  // namespace sheaf
