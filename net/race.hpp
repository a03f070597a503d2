// Several coroutines under one roof: when the first one ends, the others are cancelled and waited for.
//
// Unlike Asio's `||` it counts every ending, good or bad, and gives all of them; nothing is dropped.
#pragma once

#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include "net/task_group.hpp"

namespace sheaf {

template <class... T>
struct Raced {
  std::size_t first;         // which one ended first, from 0
  std::tuple<T...> endings;  // of all of them
};

namespace detail {

class RaceCourse {
 public:
  explicit RaceCourse(boost::asio::any_io_executor executor) : group_(std::move(executor)) {}

  template <class T>
  void enter(boost::asio::awaitable<T> work, std::optional<T>& ending, std::size_t which) {
    group_.spawn(leg(std::move(work), ending, which));
  }
  // Until one has ended or we are cancelled, and then until all have ended. Gives the first.
  boost::asio::awaitable<std::size_t> run();

 private:
  template <class T>
  boost::asio::awaitable<void> leg(boost::asio::awaitable<T> work, std::optional<T>& ending,
                                   std::size_t which) {
    ending.emplace(co_await std::move(work));
    if (!first_) first_ = which;
    group_.cancel();
  }

  TaskGroup group_;
  std::optional<std::size_t> first_;
};

}  // namespace detail

// Each work returns its ending and takes cancellation as a value. Cancelling the race cancels all of them.
// What one of them throws ends the race and is thrown here.
template <class... T>
boost::asio::awaitable<Raced<T...>> race(boost::asio::awaitable<T>... works) {
  const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  std::tuple<std::optional<T>...> endings;
  detail::RaceCourse course(co_await boost::asio::this_coro::executor);
  std::size_t which = 0;
  std::apply([&](auto&... ending) { (course.enter(std::move(works), ending, which++), ...); }, endings);
  const std::size_t first = co_await course.run();
  co_await boost::asio::this_coro::throw_if_cancelled(throws);
  co_return std::apply(
      [first](auto&... ending) {
        return Raced<T...>{first, std::tuple<T...>(std::move(*ending)...)};
      },
      endings);
}

}  // namespace sheaf
