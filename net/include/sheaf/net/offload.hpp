// The one hop off the strand: work that blocks or is heavy runs on a pool, and its result comes back.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/pool.hpp"

namespace sheaf {

namespace detail {

// What a job came to: a value, or what it threw. void becomes monostate.
template <class T>
struct Outcome {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  std::optional<Value> value;
  std::exception_ptr thrown;
};

template <class T, class Work, class Handler>
class OffloadedJob final : public Job {
 public:
  OffloadedJob(Work work, Handler handler) : work_(std::move(work)), handler_(std::move(handler)) {}

  void run() noexcept override {
    Outcome<T> outcome;
    try {
      if constexpr (std::is_void_v<T>) {
        work_();
        outcome.value.emplace();
      } else {
        outcome.value.emplace(work_());
      }
    } catch (...) {
      outcome.thrown = std::current_exception();
    }
    boost::asio::post(boost::asio::append(std::move(handler_), std::move(outcome)));
  }

 private:
  Work work_;
  Handler handler_;
};

}  // namespace detail

// Runs work() on the pool and goes on, with its result, on the executor of the awaiting coroutine. What it
// throws is thrown here. `work` owns its data, or what it refers to outlives the await and is left alone
// meanwhile.
//
// Cancelling does not cut it short: it returns once the work has ended, with the work's own result; so it
// has always taken effect. A coroutine that is cancelled before with throw_if_cancelled on does not begin it.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> offload(Pool& pool, Work work) {
  using T = std::invoke_result_t<Work&>;
  using Token = boost::asio::use_awaitable_t<>;
  auto initiate = [&pool](auto handler, Work&& work) {
    using Handler = decltype(handler);
    pool.submit(
        std::make_unique<detail::OffloadedJob<T, Work, Handler>>(std::move(work), std::move(handler)));
  };
  auto outcome = co_await boost::asio::async_initiate<Token, void(detail::Outcome<T>)>(
      std::move(initiate), boost::asio::use_awaitable, std::move(work));
  if (outcome.thrown) std::rethrow_exception(outcome.thrown);
  if constexpr (!std::is_void_v<T>) co_return std::move(*outcome.value);
}

}  // namespace sheaf
