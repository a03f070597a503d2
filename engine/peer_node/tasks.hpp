// Coroutines that a command starts beside itself, and a limit of time on any of them.
//
// Everything here is used from one strand, and tells of cancellation by a value: see sheaf/net/error.hpp.
#pragma once

#include <list>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>

#include "sheaf/net/error.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"

namespace sheaf::peer_node {

// Owns what it starts: cancel(), join(), destroy. Requires at destruction: nothing runs any more.
class Tasks {
 public:
  explicit Tasks(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;
  ~Tasks();

  // Begins at the executor's next turn. The task does not throw; after cancel() it begins cancelled.
  void start(boost::asio::awaitable<void> task);
  // Asks every task to end, for good.
  void cancel();
  // Ends once nothing runs any more, even if the caller is cancelled meanwhile.
  boost::asio::awaitable<void> join();
  // The same, but the tasks are cancelled when the caller is.
  boost::asio::awaitable<void> join_or_cancel();
  // Ends once a task has ended since `seen` of them had, or when the caller is cancelled.
  boost::asio::awaitable<void> wait_for_an_end(std::size_t seen);

  std::size_t running() const { return running_.size(); }
  std::size_t ended() const { return ended_; }

 private:
  boost::asio::awaitable<void> run(boost::asio::awaitable<void> task);

  boost::asio::any_io_executor executor_;
  std::list<boost::asio::cancellation_signal> running_;
  std::size_t ended_ = 0;
  bool cancelled_ = false;
  Signal changed_;
};

namespace detail {

template <class T>
boost::asio::awaitable<void> keep(boost::asio::awaitable<T> work, std::optional<T>& into, bool& first,
                                  const bool& other) {
  T value = co_await std::move(work);
  first = !other;
  into.emplace(std::move(value));
}

}  // namespace detail

// Runs both; when one ends, the other is cancelled and waited for. Gives both endings, and which came first.
template <class A, class B>
struct Both {
  A a;
  B b;
  bool a_first;
};

template <class A, class B>
boost::asio::awaitable<Both<A, B>> until_one_ends(boost::asio::awaitable<A> a, boost::asio::awaitable<B> b) {
  Tasks tasks(co_await boost::asio::this_coro::executor);
  std::optional<A> ended_a;
  std::optional<B> ended_b;
  bool a_first = false;
  bool b_first = false;
  tasks.start(detail::keep(std::move(a), ended_a, a_first, b_first));
  tasks.start(detail::keep(std::move(b), ended_b, b_first, a_first));
  co_await tasks.wait_for_an_end(0);
  tasks.cancel();
  co_await tasks.join();
  co_return Both<A, B>{std::move(*ended_a), std::move(*ended_b), a_first};
}

// The work's own result, or NetErrc::timed_out when the limit passed first. No limit: for ever.
template <class T>
boost::asio::awaitable<Result<T>> within(Timers& timers, std::optional<Duration> limit,
                                         boost::asio::awaitable<Result<T>> work) {
  if (!limit) co_return co_await std::move(work);
  auto both = co_await until_one_ends(std::move(work), timers.sleep_until(timers.now() + *limit));
  if (!both.a_first && both.b.has_value() && both.a.has_error() && both.a.error() == cancelled_error())
    co_return NetErrc::timed_out;
  co_return std::move(both.a);
}

}  // namespace sheaf::peer_node
