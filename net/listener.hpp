// Accepts TCP connections, bare or as WebSockets, no more than the limits let in.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "net/admission.hpp"
#include "net/upgrade_policy.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/net/timers.hpp"
#include "sheaf/net/transport.hpp"

namespace sheaf {

// A connection that Admission turns away is closed at once and accepting goes on. When the system cannot
// give one, as for want of descriptors, accepting pauses for a second instead of trying again and again.
class TcpListener final : public Listener {
 public:
  static constexpr Duration pause_after_error = std::chrono::seconds(1);

  // Listens on the address: a number, or a name of this machine. Port 0: any free one. For ws:// it gives
  // each connection as a WebSocketStream whose request has yet to come; the address's path, where it has one,
  // is the only one served, and its host is admitted besides those of the policy (none: no others), which is
  // copied. `timers` and `admission` outlive the listener and its streams.
  static boost::asio::awaitable<Result<std::unique_ptr<TcpListener>>> listen(
      const Address& address, Timers& timers, Admission& admission, const UpgradePolicy* policy = nullptr);

  boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() override;
  void close() override;
  Address local() const override;

 private:
  TcpListener(boost::asio::ip::tcp::acceptor acceptor, Timers& timers, Admission& admission, Scheme scheme,
              UpgradePolicy policy)
      : acceptor_(std::move(acceptor)),
        timers_(timers),
        admission_(admission),
        scheme_(scheme),
        policy_(std::move(policy)) {}

  boost::asio::awaitable<Result<void>> until_closed();

  boost::asio::ip::tcp::acceptor acceptor_;
  Timers& timers_;
  Admission& admission_;
  Scheme scheme_;
  UpgradePolicy policy_;  // of ws
  Signal closed_;
};

}  // namespace sheaf
