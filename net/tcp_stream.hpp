// A TCP connection as a ByteStream.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "sheaf/net/byte_stream.hpp"

namespace sheaf {

// Turns Nagle's delay off and reads and writes without waiting in the kernel.
class TcpStream : public ByteStream {
 public:
  // Requires: the socket is connected.
  explicit TcpStream(boost::asio::ip::tcp::socket socket);

  Result<std::size_t> try_read(MutableBytes into) override;
  boost::asio::awaitable<Result<void>> readable() override;
  Result<std::size_t> try_write(std::span<const Bytes> runs) override;
  boost::asio::awaitable<Result<void>> writable() override;
  void end() override;
  void close() override;
  std::string remote() const override { return remote_; }

 private:
  boost::asio::awaitable<Result<void>> wait(boost::asio::ip::tcp::socket::wait_type what);

  boost::asio::ip::tcp::socket socket_;
  std::string remote_;
};

}  // namespace sheaf
