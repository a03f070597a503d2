// Where streams come from: the two faces through which a node meets a network, real or simulated.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "sheaf/net/address.hpp"
#include "sheaf/net/byte_stream.hpp"

namespace sheaf {

// Used from one strand; any number of dials may be under way.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // A stream to that address, or why there is none, within the dialer's own limit of time. The address's
  // key is not looked at here: the handshake compares it.
  virtual boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> dial(const Address& address) = 0;
};

// Used from one strand; one accept() at a time. Streams that it gave may outlive it.
class Listener {
 public:
  virtual ~Listener() = default;
  // The next connection that the limits let in. An error ends the listening for good.
  virtual boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() = 0;
  // Stops listening; a pending accept() ends with NetErrc::closed.
  virtual void close() = 0;
  // Where it listens, with the port that was taken if 0 was asked for.
  virtual Address local() const = 0;
};

}  // namespace sheaf
