// A limit of time on any work that gives a Result.
#pragma once

#include "net/race.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/timers.hpp"

namespace sheaf {

// The work's own result if it ended in time; NetErrc::timed_out if it was cancelled because the limit had
// passed; cancelled_error() if it was because we were cancelled. A result that the work gave in spite of
// being cancelled is kept. Returns once the work has ended.
template <class T>
boost::asio::awaitable<Result<T>> within(Timers& timers, Duration limit,
                                         boost::asio::awaitable<Result<T>> work) {
  auto raced = co_await race(std::move(work), timers.sleep_until(timers.now() + limit));
  Result<T>& result = std::get<0>(raced.endings);
  const bool timed_out = std::get<1>(raced.endings).has_value() && raced.first == 1;
  if (timed_out && result.has_error() && result.error() == cancelled_error()) co_return NetErrc::timed_out;
  co_return std::move(result);
}

}  // namespace sheaf
