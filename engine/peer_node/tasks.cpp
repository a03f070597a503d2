#include "engine/peer_node/tasks.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

Tasks::~Tasks() { invariant(running_.empty(), "a command's tasks are joined before it ends"); }

void Tasks::start(asio::awaitable<void> task) {
  const auto self = running_.emplace(running_.end());
  // The signal is dropped by the completion and not by the task: it has to outlive what listens to it.
  auto end = [this, self](std::exception_ptr thrown) {
    invariant(!thrown, "a command's task gives its failure as a value");
    running_.erase(self);
    ++ended_;
    changed_.notify();
  };
  asio::co_spawn(executor_, run(std::move(task)), asio::bind_cancellation_slot(self->slot(), std::move(end)));
  if (cancelled_) self->emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> Tasks::run(asio::awaitable<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  // The turn passed to others here is what makes start() return before the task begins.
  co_await asio::post(executor_, asio::use_awaitable);
  co_await std::move(task);
}

void Tasks::cancel() {
  cancelled_ = true;
  // A task may end, and leave the list, only at a later turn: emitting resumes nobody directly.
  for (auto& signal : running_) signal.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> Tasks::join() {
  while (!running_.empty()) co_await changed_.wait_through();
}

asio::awaitable<void> Tasks::join_or_cancel() {
  while (!running_.empty() && !cancelled_) {
    const std::size_t seen = ended_;
    co_await wait_for_an_end(seen);
    if (ended_ == seen) cancel();
  }
  co_await join();
}

asio::awaitable<void> Tasks::wait_for_an_end(std::size_t seen) {
  while (ended_ == seen) {
    if (auto waited = co_await changed_.wait(); !waited) co_return;
  }
}

}  // namespace sheaf::peer_node
