// From a caller's executor onto the node's strand and back, with cancellation that cannot arrive too late,
// nor too early: what a cancelled coroutine calls begins cancelled.
//
// Asio's co_spawn hands a cancel to another executor as a bare pointer into the caller's cancellation slot
// (Boost 1.81), which dangles when the call ends before the strand gets to it. Here the cancel travels with a
// signal that it owns a share of.
#pragma once

#include <exception>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {

namespace detail {

// Shared by the call and by every cancel that is on its way.
using SharedStop = std::shared_ptr<boost::asio::cancellation_signal>;

// Inside the node being cancelled is a value, not an exception.
template <class T>
boost::asio::awaitable<T> told_by_value(boost::asio::awaitable<T> work, SharedStop stop,
                                        bool already_cancelled) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  if (already_cancelled) stop->emit(boost::asio::cancellation_type::terminal);
  co_return co_await std::move(work);
}

// What runs on the strand for one call. `already_cancelled`: the caller was, before it called.
template <class T, class Handler>
void begin_hop(const boost::asio::any_io_executor& strand, boost::asio::awaitable<Result<T>> work,
               Handler handler, bool already_cancelled) {
  namespace asio = boost::asio;
  const auto stop = std::make_shared<asio::cancellation_signal>();
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    slot.assign([strand, stop](asio::cancellation_type type) {
      asio::post(strand, [stop, type] { stop->emit(type); });
    });
  }
  const asio::any_io_executor home = asio::get_associated_executor(handler, strand);
  auto back = [stop, slot, home, busy = asio::make_work_guard(home), handler = std::move(handler)](
                  std::exception_ptr thrown, Result<T> result) mutable {
    auto complete = [slot, thrown, result = std::move(result), handler = std::move(handler)]() mutable {
      if (slot.is_connected()) slot.clear();
      std::move(handler)(thrown, std::move(result));
    };
    asio::dispatch(home, std::move(complete));
  };
  asio::co_spawn(strand, told_by_value(std::move(work), stop, already_cancelled),
                 asio::bind_cancellation_slot(stop->slot(), std::move(back)));
}

}  // namespace detail

// The work's own result, or cancelled_error() when the cancel came between the call and its first turn on the
// strand. Work that waits for nothing takes effect also where the caller was cancelled before.
template <class T>
boost::asio::awaitable<Result<T>> hop(boost::asio::any_io_executor strand,
                                      boost::asio::awaitable<Result<T>> work) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const bool cancelled = co_await was_cancelled();
  auto initiate = [strand, cancelled](auto handler, boost::asio::awaitable<Result<T>> work) {
    detail::begin_hop<T>(strand, std::move(work), std::move(handler), cancelled);
  };
  try {
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                                   void(std::exception_ptr, Result<T>)>(
        initiate, boost::asio::use_awaitable, std::move(work));
  } catch (const boost::system::system_error& error) {
    // Asio throws when the cancel arrives between the call and its first turn on the strand.
    if (error.code() != cancelled_error()) throw;
  }
  co_return cancelled_error();
}

// For what has to happen in any case: cancelling does not reach it.
inline boost::asio::awaitable<void> hop(boost::asio::any_io_executor strand,
                                        boost::asio::awaitable<void> work) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const boost::asio::cancellation_slot none;
  co_await boost::asio::co_spawn(strand, std::move(work),
                                 boost::asio::bind_cancellation_slot(none, boost::asio::use_awaitable));
}

}  // namespace sheaf
