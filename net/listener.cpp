#include "net/listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/race.hpp"
#include "net/resolve.hpp"
#include "net/tcp_stream.hpp"
#include "net/websocket_stream.hpp"
#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// A stream that gives its place back when it goes.
class AcceptedStream final : public TcpStream {
 public:
  AcceptedStream(tcp::socket socket, Admission::Ticket ticket)
      : TcpStream(std::move(socket)), ticket_(std::move(ticket)) {}

 private:
  Admission::Ticket ticket_;
};

// The same host whether it came as IPv4 or as IPv4 within IPv6.
std::string host_of(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<TcpListener>>> TcpListener::listen(const Address& address,
                                                                          Timers& timers,
                                                                          Admission& admission,
                                                                          const UpgradePolicy* given) {
  if (address.scheme == Scheme::exec) co_return NetErrc::scheme_not_available;
  const auto endpoints = co_await resolve(address.host, address.port);
  if (!endpoints) co_return endpoints.error();
  const tcp::endpoint& endpoint = endpoints->front();
  tcp::acceptor acceptor(co_await asio::this_coro::executor);
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) co_return error;
  UpgradePolicy policy = given ? *given : UpgradePolicy();
  policy.path = address.path;
  policy.hosts.push_back(address.host);
  co_return std::unique_ptr<TcpListener>(
      new TcpListener(std::move(acceptor), timers, admission, address.scheme, std::move(policy)));
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> TcpListener::accept() {
  for (;;) {
    if (co_await was_cancelled()) co_return cancelled_error();
    if (!acceptor_.is_open()) co_return NetErrc::closed;
    tcp::endpoint from;
    auto [error, socket] = co_await acceptor_.async_accept(from, asio::as_tuple(asio::use_awaitable));
    if (!error) {
      auto ticket = admission_.admit(host_of(from), socket.native_handle());
      if (!ticket) continue;
      std::unique_ptr<ByteStream> stream =
          std::make_unique<AcceptedStream>(std::move(socket), std::move(*ticket));
      if (scheme_ == Scheme::ws)
        stream = WebSocketStream::accept(std::move(stream), acceptor_.get_executor(), admission_.limits(),
                                         timers_, policy_);
      co_return stream;
    }
    // A connection that went away before it was taken says nothing about the next one. All else, such as
    // having no descriptors left, would come back at once.
    if (error == asio::error::connection_aborted) continue;
    co_await race(timers_.sleep_until(timers_.now() + pause_after_error), until_closed());
  }
}

asio::awaitable<Result<void>> TcpListener::until_closed() {
  while (acceptor_.is_open())
    if (const auto waited = co_await closed_.wait(); !waited) co_return waited;
  co_return Result<void>();
}

void TcpListener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  closed_.notify();
}

Address TcpListener::local() const {
  boost::system::error_code gone;
  const auto endpoint = acceptor_.local_endpoint(gone);
  return Address{.scheme = scheme_,
                 .host = endpoint.address().to_string(),
                 .port = endpoint.port(),
                 .path = policy_.path};
}

}  // namespace sheaf
