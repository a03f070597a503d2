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
  OffloadedJob(Work& work, Handler handler) : work_(work), handler_(std::move(handler)) {}

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
  Work& work_;  // in the frame of the coroutine that waits for this
  Handler handler_;
};

// `Held` is a reference to the caller's work or the work itself.
template <class Held>
boost::asio::awaitable<std::invoke_result_t<Held&>> run_on(Pool& pool, Held work) {
  using T = std::invoke_result_t<Held&>;
  using Work = std::remove_reference_t<Held>;
  using Token = const boost::asio::use_awaitable_t<>;
  auto initiate = [&pool, &work](auto handler) {
    pool.submit(std::make_unique<OffloadedJob<T, Work, decltype(handler)>>(work, std::move(handler)));
  };
  auto outcome =
      co_await boost::asio::async_initiate<Token, void(Outcome<T>)>(initiate, boost::asio::use_awaitable);
  if (outcome.thrown) std::rethrow_exception(outcome.thrown);
  if constexpr (!std::is_void_v<T>) co_return std::move(*outcome.value);
}

}  // namespace detail

// Runs work() on the pool and goes on, with its result, on the executor of the awaiting coroutine. What it
// throws is thrown here. `work` stays where it is; that and what it refers to is left alone meanwhile.
//
// Cancelling does not cut it short: it returns once the work has ended, with the work's own result; so it
// has always taken effect. A coroutine that is cancelled before with throw_if_cancelled on does not begin it.
//
//   auto hash_all = [blocks = std::move(blocks)] { return hash(blocks); };
//   const auto hashes = co_await offload(pool, hash_all);
template <class Work>
auto offload(Pool& pool, Work&& work) {
  static_assert(std::is_lvalue_reference_v<Work&&> || std::is_trivially_copyable_v<Work>,
                "give the work a name first: g++ 12 destroys the captures of a closure twice that is made "
                "inside a co_await expression");
  return detail::run_on<Work>(pool, std::forward<Work>(work));
}

}  // namespace sheaf
