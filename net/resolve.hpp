// From a host's name to its numbers.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "sheaf/protocol/error.hpp"

namespace sheaf {

// A number is taken as it is, without asking anybody; a name goes to the system's resolver, which runs in
// Asio's own background thread. At least one endpoint, or name_not_found, cancelled_error(), or the system's
// error.
boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> resolve(std::string host,
                                                                                    std::uint16_t port);

}  // namespace sheaf
