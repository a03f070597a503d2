#include "sheaf/net/signal.hpp"

#include <optional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;

namespace detail {

// One waiting coroutine. It lives in that coroutine's frame, so a wait allocates nothing but the frame.
class Waiter {
 public:
  using Handler = asio::async_result<asio::use_awaitable_t<>, void(bool)>::handler_type;

  explicit Waiter(Signal& signal) : signal_(&signal) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { unlink(); }

  // True once notified, false if cancelled.
  asio::awaitable<bool> suspend(bool hears_cancellation) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        [this, hears_cancellation](Handler handler) {
          link();
          if (auto slot = asio::get_associated_cancellation_slot(handler);
              hears_cancellation && slot.is_connected())
            slot.assign(Cancel{this});
          handler_.emplace(std::move(handler));
        },
        asio::use_awaitable);
  }

  void wake(bool notified) {
    unlink();
    auto executor = handler_->get_executor();
    asio::post(executor, [handler = *std::exchange(handler_, std::nullopt), notified]() mutable {
      std::move(handler)(notified);
    });
  }

  // Destroys the coroutine that waits, and this with it, though not before the executor's next turn.
  void drop() {
    unlink();
    handler_.reset();
  }

 private:
  // Stays in the slot until the coroutine goes on, and may be called again before it does.
  struct Cancel {
    Waiter* waiter;
    void operator()(asio::cancellation_type) const {
      if (waiter->linked_) waiter->wake(false);
    }
  };

  void link() {
    before_ = signal_->last_;
    (before_ ? before_->after_ : signal_->first_) = this;
    signal_->last_ = this;
    linked_ = true;
  }

  void unlink() {
    if (!std::exchange(linked_, false)) return;
    (before_ ? before_->after_ : signal_->first_) = after_;
    (after_ ? after_->before_ : signal_->last_) = before_;
    before_ = after_ = nullptr;
  }

  Signal* signal_;
  Waiter* before_ = nullptr;
  Waiter* after_ = nullptr;
  bool linked_ = false;
  std::optional<Handler> handler_;
};

}  // namespace detail

Signal::~Signal() {
  while (first_) first_->drop();
}

asio::awaitable<Result<void>> Signal::wait() {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
  detail::Waiter waiter(*this);
  const bool notified = co_await waiter.suspend(true);
  if (!notified) co_return cancelled_error();
  co_return Result<void>();
}

asio::awaitable<void> Signal::wait_through() {
  detail::Waiter waiter(*this);
  co_await waiter.suspend(false);
}

void Signal::notify() {
  while (first_) first_->wake(true);
}

}  // namespace sheaf
