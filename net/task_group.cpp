#include "net/task_group.hpp"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace asio = boost::asio;

// What co_spawn calls at a task's end. It names the slot by which the task is cancelled, and no executor of
// its own: with one, Asio would send each cancellation through that executor.
struct TaskGroup::Ended {
  using cancellation_slot_type = asio::cancellation_slot;
  TaskGroup* group;
  Place task;

  cancellation_slot_type get_cancellation_slot() const noexcept { return task->stop.slot(); }
  void operator()(std::exception_ptr thrown) const { group->ended(task, thrown); }
};

TaskGroup::~TaskGroup() { invariant(tasks_.empty(), "a task group is joined before it goes"); }

void TaskGroup::spawn(asio::awaitable<void> task) {
  const Place place = tasks_.emplace(tasks_.end());
  asio::co_spawn(executor_, run(place, std::move(task)), Ended{this, place});
}

asio::awaitable<void> TaskGroup::run(Place self, asio::awaitable<void> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::post(asio::use_awaitable);
  self->begun = true;
  if (cancelled_) self->stop.emit(asio::cancellation_type::terminal);
  co_await std::move(task);
}

void TaskGroup::ended(Place task, std::exception_ptr thrown) {
  tasks_.erase(task);
  if (thrown) {
    if (!thrown_) thrown_ = thrown;
    cancel();
  }
  if (tasks_.empty()) changed_.notify();
}

void TaskGroup::cancel() {
  if (std::exchange(cancelled_, true)) return;
  // A task that has not begun is told when it does: before, Asio would take the cancellation for its end.
  for (auto& task : tasks_)
    if (task.begun) task.stop.emit(asio::cancellation_type::terminal);
  changed_.notify();
}

asio::awaitable<void> TaskGroup::join() {
  while (!tasks_.empty()) co_await changed_.wait_through();
  if (auto thrown = std::exchange(thrown_, nullptr)) std::rethrow_exception(thrown);
}

asio::awaitable<void> TaskGroup::join_or_cancel() {
  while (!tasks_.empty() && !cancelled_)
    if (const auto waited = co_await changed_.wait(); !waited) cancel();
  co_await join();
}

}  // namespace sheaf
