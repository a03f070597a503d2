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

template <class T>
boost::asio::awaitable<void> race_leg(boost::asio::awaitable<T> work, std::optional<T>& ending,
                                      std::optional<std::size_t>& first, std::size_t which,
                                      TaskGroup& group) {
  ending.emplace(co_await std::move(work));
  if (!first) first = which;
  group.cancel();
}

// Waits until a task has ended or this coroutine is cancelled, then until all have ended.
boost::asio::awaitable<void> run_race(TaskGroup& group, const std::optional<std::size_t>& first);

}  // namespace detail

// Each work returns its ending and takes cancellation as a value. Cancelling the race cancels all of them.
// What one of them throws ends the race and is thrown here.
template <class... T>
boost::asio::awaitable<Raced<T...>> race(boost::asio::awaitable<T>... works) {
  const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  TaskGroup group(co_await boost::asio::this_coro::executor);
  std::optional<std::size_t> first;
  std::tuple<std::optional<T>...> endings;
  std::size_t which = 0;
  std::apply(
      [&](auto&... ending) {
        (group.spawn(detail::race_leg(std::move(works), ending, first, which++, group)), ...);
      },
      endings);
  co_await detail::run_race(group, first);
  co_await boost::asio::this_coro::throw_if_cancelled(throws);
  co_return std::apply(
      [&](auto&... ending) {
        return Raced<T...>{*first, std::tuple<T...>(std::move(*ending)...)};
      },
      endings);
}

}  // namespace sheaf
