// Accepts TCP connections, no more than the limits let in.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "net/admission.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/net/transport.hpp"

namespace sheaf {

// A connection that Admission turns away is closed at once and accepting goes on. When the system cannot
// give one, as for want of descriptors, accepting pauses for a second instead of trying again and again.
class TcpListener final : public Listener {
 public:
  static constexpr Duration pause_after_error = std::chrono::seconds(1);

  // Listens on the address: a number, or a name of this machine. Port 0: any free one. scheme_not_available
  // for ws. `timers` and `admission` outlive the listener, `admission` its streams too.
  static boost::asio::awaitable<Result<std::unique_ptr<TcpListener>>> listen(const Address& address,
                                                                             Timers& timers,
                                                                             Admission& admission);

  boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() override;
  void close() override;
  Address local() const override;

 private:
  TcpListener(boost::asio::ip::tcp::acceptor acceptor, Timers& timers, Admission& admission)
      : acceptor_(std::move(acceptor)), timers_(timers), admission_(admission) {}

  boost::asio::awaitable<Result<void>> until_closed();

  boost::asio::ip::tcp::acceptor acceptor_;
  Timers& timers_;
  Admission& admission_;
  Signal closed_;
};

}  // namespace sheaf
