#include "net/resolve.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve(std::string host, std::uint16_t port) {
  std::vector<tcp::endpoint> out;
  boost::system::error_code not_a_number;
  const auto number = asio::ip::make_address(host, not_a_number);
  if (!not_a_number) {
    out.emplace_back(number, port);
    co_return out;
  }
  if (co_await was_cancelled()) co_return cancelled_error();
  tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto [error, found] = co_await resolver.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service, asio::as_tuple(asio::use_awaitable));
  if (error == asio::error::host_not_found || error == asio::error::no_data)
    co_return NetErrc::name_not_found;
  if (error) co_return error;
  for (const auto& entry : found) out.push_back(entry.endpoint());
  if (out.empty()) co_return NetErrc::name_not_found;
  co_return out;
}

}  // namespace sheaf
