#include "engine/archive/archive_lock.hpp"

#include <utility>

#include <boost/asio/dispatch.hpp>

#include "sheaf/engine/error.hpp"

namespace sheaf {

struct ArchiveLock::State {
  boost::asio::any_io_executor strand;
  bool taken = false;
  bool closed = false;
  std::deque<std::shared_ptr<Completion<Turn>>> waiting;
};

ArchiveLock::ArchiveLock(boost::asio::any_io_executor strand) : state_(std::make_shared<State>()) {
  state_->strand = std::move(strand);
}

ArchiveLock::Turn::~Turn() { give_back(); }

ArchiveLock::Turn& ArchiveLock::Turn::operator=(Turn&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  state_ = std::move(other.state_);
  return *this;
}

void ArchiveLock::Turn::give_back() {
  if (!state_) return;
  const auto strand = state_->strand;
  boost::asio::dispatch(strand, [state = std::move(state_)] { pass_on(state); });
  state_.reset();
}

void ArchiveLock::pass_on(const std::shared_ptr<State>& state) {
  if (state->waiting.empty()) {
    state->taken = false;
    return;
  }
  const auto next = std::move(state->waiting.front());
  state->waiting.pop_front();
  next->set(Turn(state));
}

boost::asio::awaitable<Result<ArchiveLock::Turn>> ArchiveLock::take() {
  const auto state = state_;
  if (state->closed) co_return EngineErrc::closed;
  if (!state->taken) {
    state->taken = true;
    co_return Turn(state);
  }
  const auto turn = std::make_shared<Completion<Turn>>();
  state->waiting.push_back(turn);
  auto given = co_await turn->wait();
  // One that was given at the moment of cancelling goes on to the next with `turn`.
  if (!given) std::erase(state->waiting, turn);
  co_return given;
}

void ArchiveLock::close() {
  state_->closed = true;
  for (const auto& turn : std::exchange(state_->waiting, {})) turn->set(EngineErrc::closed);
}

}  // namespace sheaf
