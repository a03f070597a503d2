#include "sheaf/net/asio_timers.hpp"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;

Instant AsioTimers::now() const { return {std::chrono::steady_clock::now().time_since_epoch()}; }

asio::awaitable<Result<void>> AsioTimers::sleep_until(Instant when) {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
  const auto at = std::chrono::steady_clock::time_point(std::max(when, now()).since_origin);
  asio::steady_timer timer(co_await asio::this_coro::executor, at);
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (error) co_return cancelled_error();
  co_return Result<void>();
}

}  // namespace sheaf
