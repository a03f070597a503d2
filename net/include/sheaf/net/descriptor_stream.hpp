// A pair of descriptors as a ByteStream: the standard input and output of a process, or both ends of a pipe
// to another one. They may be pipes, terminals or sockets, or one socket for both ways.
//
// There is no half-close: end() closes the outgoing descriptor, and where both are one socket the other side
// sees an end only once the stream is closed.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/byte_stream.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf {

// Works on copies of its own of `in` and `out`, which stay the caller's; both are made non-blocking for as
// long as the stream lives, and then are as they were. `name` is its remote(). The system's error when a
// descriptor cannot be waited for: operation_not_permitted for a file on disk.
Result<std::unique_ptr<ByteStream>> descriptor_stream(boost::asio::any_io_executor executor, int in, int out,
                                                      std::string name);

}  // namespace sheaf
