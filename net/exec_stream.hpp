// A command of this machine as the other side: exec:COMMAND, as rsync goes over ssh.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "sheaf/net/byte_stream.hpp"

namespace sheaf {

// Starts `sh -c COMMAND` with one socket as its standard input and output; its standard error is ours. It is
// nobody's child that we would wait for: it ends when it sees the end of its input, and what it says by its
// exit code is lost. Waits for the shell that starts it, a few milliseconds. The system's error.
Result<std::unique_ptr<ByteStream>> exec_stream(boost::asio::any_io_executor executor,
                                                const std::string& command);

}  // namespace sheaf
