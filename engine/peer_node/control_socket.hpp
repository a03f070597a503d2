// DIR/control: how a process that finds the folder held reaches the one that holds it.
//
// A Unix socket of mode 0600. Whoever is at the other end has to be the same user, whichever side we are: the
// folder itself may be open, and a stranger's socket in it would get our descriptors. A path longer than a
// socket's name may be is no obstacle; it is reached through an open descriptor of the folder.
#pragma once

#include <filesystem>
#include <span>
#include <sys/types.h>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "engine/peer_node/descriptor.hpp"
#include "engine/peer_node/folder.hpp"
#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::peer_node {

// A listening socket at folder/control. What is there already is removed: only the process that holds the
// folder's lock may call this, so it is a dead one's.
Result<Descriptor> listen_at_control(const std::filesystem::path& folder);
void remove_control(const std::filesystem::path& folder);

// A connected socket; connection_refused or no_such_file_or_directory when nobody is there.
Result<Descriptor> connect_to_control(const std::filesystem::path& folder);

struct ProcessAtSocket {
  pid_t pid = 0;
  uid_t user = 0;
  bool is_us() const;  // the same user as ours
};
Result<ProcessAtSocket> process_at(const Descriptor& socket);

// One connection. Used from one strand; at most one send and one receive at a time. Cancelling either ends it
// with cancelled_error().
class ControlChannel {
 public:
  ControlChannel(boost::asio::any_io_executor executor, Descriptor socket);

  // All of it; the descriptors travel with the first byte and stay the caller's.
  boost::asio::awaitable<Result<void>> send(Bytes bytes, std::span<const int> descriptors = {});
  // Exactly as many bytes as `into` has; NetErrc::ended if the connection ends before. Descriptors that come
  // with them are kept, at most four; more make it fail.
  boost::asio::awaitable<Result<void>> receive(MutableBytes into);
  std::vector<Descriptor> take_descriptors();

 private:
  Result<std::size_t> send_some(Bytes bytes, std::span<const int> descriptors);
  Result<std::size_t> receive_some(MutableBytes into);

  boost::asio::posix::stream_descriptor socket_;
  std::vector<Descriptor> received_;
};

// The next connection to a listening socket, without waiting; would-block if there is none.
Result<Descriptor> accept_at(int listening);

}  // namespace sheaf::peer_node
