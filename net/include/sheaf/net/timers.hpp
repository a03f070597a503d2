// The only clock and the only waiting there is: injected, so that an hour can pass in a second.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "sheaf/protocol/time.hpp"

namespace sheaf {

// Used from one strand.
class Timers {
 public:
  virtual ~Timers() = default;
  virtual Instant now() const = 0;
  // Wakes no earlier than `when`. Cancelling ends the wait at once by operation_aborted.
  virtual boost::asio::awaitable<void> sleep_until(Instant when) = 0;
};

}  // namespace sheaf
