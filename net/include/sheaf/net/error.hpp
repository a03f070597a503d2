// What a connection can answer besides bytes, and how being cancelled looks.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "sheaf/protocol/error.hpp"

namespace sheaf {

enum class NetErrc {
  timed_out = 1,         // the road's: not done within the limit given
  ended,                 // the peer's: closed its direction where more had to come
  refused,               // the peer's: nobody accepts connections there
  unreachable,           // the road's: no way to that host
  name_not_found,        // the caller's or the road's: the host's name leads nowhere
  bad_address,           // the caller's: not SCHEME://[KEY@]HOST:PORT
  bad_host,              // the caller's: neither a name nor a number of a host
  bad_port,              // the caller's: not a number from 0 to 65535
  bad_key,               // the caller's: what stands before @ is not a key
  scheme_not_available,  // the caller's: a kind of address that cannot be used there
  closed,                // ours: the stream or listener was closed before
  upgrade_refused,       // one side's: the HTTP request did not become a WebSocket
  bad_upgrade,           // the peer's: its answer to the request for a WebSocket is none
  text_message,          // the peer's: a WebSocket message of text, where only bytes have a meaning
  equal_roles,           // nobody's: both sides drew the same to agree on who begins
  no_agreement,          // the peer's: what it wrote is not how two sides agree on who begins
  control_flood,         // the peer's: more pings, pongs and the like in a second than L16 lets through
};

const boost::system::error_category& net_category() noexcept;
inline Error make_error_code(NetErrc e) noexcept { return {static_cast<int>(e), net_category()}; }

// The error of everything that ended because it was cancelled: Asio's operation_aborted.
//
// Coroutines of a TaskGroup, of race() and of within() are told of it as a value and not by an exception
// (they run with throw_if_cancelled off), and once cancelled they stay so: every later wait of net/ gives
// this error at once. What is awaited elsewhere starts with
// `co_await boost::asio::this_coro::throw_if_cancelled(false)` to get the same.
Error cancelled_error() noexcept;

// Whether the awaiting coroutine has been cancelled.
boost::asio::awaitable<bool> was_cancelled();

}  // namespace sheaf

template <>
struct boost::system::is_error_code_enum<sheaf::NetErrc> : std::true_type {};
