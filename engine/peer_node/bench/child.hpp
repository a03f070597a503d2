// Another `sheaf` that this one starts and listens to.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "engine/peer_node/descriptor.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::peer_node {

// Its stdin stays open until finish(), which the destructor calls if it has to; stderr is ours.
class Child {
 public:
  static Result<Child> start(boost::asio::any_io_executor executor,
                             const std::vector<std::string>& arguments);
  Child(Child&&) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  // The next line of its stdout; NetErrc::ended when there is none.
  boost::asio::awaitable<Result<std::string>> next_line();
  pid_t process() const { return process_; }
  // Closes its stdin and waits until it has ended.
  void finish();

 private:
  Child(pid_t process, Descriptor input, boost::asio::posix::stream_descriptor output);

  pid_t process_;
  Descriptor input_;
  boost::asio::posix::stream_descriptor output_;
  std::string read_;
};

}  // namespace sheaf::peer_node
