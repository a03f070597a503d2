#include "sheaf/net/error.hpp"

#include <string>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

namespace sheaf {
namespace {

class NetCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sheaf.net"; }
  std::string message(int code) const override {
    switch (static_cast<NetErrc>(code)) {
      case NetErrc::timed_out: return "not done in time";
      case NetErrc::ended: return "the other side ended the connection";
      case NetErrc::refused: return "nobody accepts connections at that address";
      case NetErrc::unreachable: return "no way leads to that host";
      case NetErrc::name_not_found: return "no host of that name is known";
      case NetErrc::bad_address:
        return "an address is tcp://[KEY@]HOST:PORT, ws://[KEY@]HOST:PORT[/PATH] or exec:COMMAND";
      case NetErrc::bad_host: return "neither a name nor a number of a host";
      case NetErrc::bad_port: return "a port is a number from 0 to 65535";
      case NetErrc::bad_key: return "a key is 64 hex digits, 52 z-base-32 digits or pear://KEY";
      case NetErrc::scheme_not_available: return "this kind of address cannot be used there";
      case NetErrc::closed: return "closed on our side";
      case NetErrc::upgrade_refused: return "the request for a WebSocket was refused";
      case NetErrc::bad_upgrade: return "the answer to the request for a WebSocket is none";
      case NetErrc::text_message: return "a WebSocket message of text came where only bytes have a meaning";
      case NetErrc::equal_roles: return "both sides drew the same number to agree on who begins";
      case NetErrc::no_agreement: return "the other side does not agree on who begins";
      case NetErrc::control_flood: return "too many WebSocket control frames in a second";
    }
    return "unknown network error";
  }
};

}  // namespace

const boost::system::error_category& net_category() noexcept {
  static const NetCategory category;
  return category;
}

Error cancelled_error() noexcept { return boost::asio::error::operation_aborted; }

boost::asio::awaitable<bool> was_cancelled() {
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  co_return state.cancelled() != boost::asio::cancellation_type::none;
}

}  // namespace sheaf
