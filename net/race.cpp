#include "net/race.hpp"

namespace sheaf::detail {

boost::asio::awaitable<std::size_t> RaceCourse::run() {
  co_await group_.join_or_cancel();
  co_return first_.value_or(0);
}

}  // namespace sheaf::detail
