// Where a test's coroutines run: in virtual time, which jumps, or in real time with real sockets.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include "sheaf/net/asio_timers.hpp"
#include "sheaf/net/virtual_timers.hpp"

namespace sheaf::test {

template <class T>
struct Told {
  std::optional<T> value;
  std::exception_ptr thrown;
  bool done = false;
};

template <class T>
boost::asio::awaitable<void> tell(boost::asio::awaitable<T> work, Told<T>& told) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  told.value.emplace(co_await std::move(work));
}

template <class T>
void start(boost::asio::io_context& io, boost::asio::awaitable<T> work, Told<T>& told) {
  boost::asio::co_spawn(io, tell(std::move(work), told), [&told](std::exception_ptr thrown) {
    told.thrown = thrown;
    told.done = true;
  });
}

template <class T>
T taken(Told<T>& told) {
  if (told.thrown) std::rethrow_exception(told.thrown);
  REQUIRE(told.value.has_value());
  return std::move(*told.value);
}

// run() gives what the work gives; the test fails if the work waits for something that never comes.
struct VirtualWorld {
  boost::asio::io_context io{1};
  VirtualTimers timers;

  explicit VirtualWorld(RandomSource* tie_break = nullptr) : timers(tie_break) {}

  template <class T>
  T run(boost::asio::awaitable<T> work) {
    Told<T> told;
    start(io, std::move(work), told);
    REQUIRE(run_virtual(io, timers, [&] { return told.done; }));
    return taken(told);
  }
};

struct RealWorld {
  boost::asio::io_context io{1};
  AsioTimers timers;

  template <class T>
  T run(boost::asio::awaitable<T> work) {
    Told<T> told;
    start(io, std::move(work), told);
    io.restart();
    while (!told.done && io.run_one() != 0) {
    }
    REQUIRE(told.done);
    return taken(told);
  }
};

}  // namespace sheaf::test
