#include "net/dialer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/exec_stream.hpp"
#include "net/resolve.hpp"
#include "net/tcp_stream.hpp"
#include "net/websocket_stream.hpp"
#include "net/within.hpp"
#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

Error named(const Error& error) {
  if (error == asio::error::connection_refused) return NetErrc::refused;
  if (error == asio::error::host_unreachable || error == asio::error::network_unreachable)
    return NetErrc::unreachable;
  if (error == asio::error::timed_out) return NetErrc::timed_out;
  return error;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<ByteStream>>> TcpDialer::dial(const Address& address) {
  co_return co_await within(timers_, limit_, open(address));
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> TcpDialer::open(const Address& address) {
  if (address.scheme == Scheme::exec) co_return exec_stream(executor_, address.command);
  auto stream = co_await connect(address);
  if (!stream || address.scheme != Scheme::ws) co_return stream;
  co_return co_await WebSocketStream::connect(std::move(*stream), address, limits_, timers_);
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> TcpDialer::connect(const Address& address) {
  const auto endpoints = co_await resolve(address.host, address.port);
  if (!endpoints) co_return endpoints.error();
  Error last = NetErrc::name_not_found;
  for (const auto& endpoint : *endpoints) {
    tcp::socket socket(executor_);
    const auto [error] = co_await socket.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
    if (co_await was_cancelled()) co_return cancelled_error();
    if (!error) co_return std::make_unique<TcpStream>(std::move(socket));
    last = named(error);
  }
  co_return last;
}

}  // namespace sheaf
