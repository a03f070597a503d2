// The only clock and the only waiting there is: injected, so that an hour can pass in a second.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/time.hpp"

namespace sheaf {

// Used from one strand. Nobody sleeps any more when it goes.
class Timers {
 public:
  virtual ~Timers() = default;
  virtual Instant now() const = 0;
  // Wakes no earlier than `when`, and at the executor's next turn if that has passed. Cancelling ends the
  // wait at once with cancelled_error().
  virtual boost::asio::awaitable<Result<void>> sleep_until(Instant when) = 0;
};

}  // namespace sheaf
