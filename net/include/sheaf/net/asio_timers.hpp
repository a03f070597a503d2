// Real time: the machine's steady clock.
#pragma once

#include "sheaf/net/timers.hpp"

namespace sheaf {

class AsioTimers final : public Timers {
 public:
  Instant now() const override;
  boost::asio::awaitable<Result<void>> sleep_until(Instant when) override;
};

}  // namespace sheaf
