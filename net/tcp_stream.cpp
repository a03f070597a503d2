#include "net/tcp_stream.hpp"

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/address.hpp"
#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// As many runs as Asio hands to the system in one call.
constexpr std::size_t runs_most = 64;

std::string address_of(const tcp::socket& socket) {
  boost::system::error_code gone;
  const auto endpoint = socket.remote_endpoint(gone);
  if (gone) return "tcp://(gone)";
  return to_string(Address{.host = endpoint.address().to_string(), .port = endpoint.port()});
}

}  // namespace

TcpStream::TcpStream(tcp::socket socket) : socket_(std::move(socket)), remote_(address_of(socket_)) {
  // Neither fails on a connected socket; one that broke meanwhile says so at the first read.
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

Result<std::size_t> TcpStream::try_read(MutableBytes into) {
  if (!socket_.is_open()) return NetErrc::closed;
  boost::system::error_code error;
  const std::size_t taken = socket_.read_some(asio::buffer(into.data(), into.size()), error);
  if (error == asio::error::eof) return std::size_t{0};
  if (error) return error;
  return taken;
}

Result<std::size_t> TcpStream::try_write(std::span<const Bytes> runs) {
  if (!socket_.is_open()) return NetErrc::closed;
  std::array<asio::const_buffer, runs_most> buffers;
  const std::size_t count = std::min(runs.size(), runs_most);
  for (std::size_t i = 0; i < count; ++i) buffers[i] = asio::const_buffer(runs[i].data(), runs[i].size());
  boost::system::error_code error;
  const std::size_t sent =
      socket_.write_some(std::span<const asio::const_buffer>(buffers.data(), count), error);
  if (error) return error;
  return sent;
}

asio::awaitable<Result<void>> TcpStream::wait(tcp::socket::wait_type what) {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
  if (!socket_.is_open()) co_return NetErrc::closed;
  const auto [error] = co_await socket_.async_wait(what, asio::as_tuple(asio::use_awaitable));
  if (!error) co_return Result<void>();
  if (!socket_.is_open()) co_return NetErrc::closed;
  co_return error;
}

asio::awaitable<Result<void>> TcpStream::readable() { return wait(tcp::socket::wait_read); }

asio::awaitable<Result<void>> TcpStream::writable() { return wait(tcp::socket::wait_write); }

void TcpStream::end() {
  boost::system::error_code ignored;  // a connection that is gone has ended, too
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void TcpStream::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace sheaf
