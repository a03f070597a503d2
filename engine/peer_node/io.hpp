// A command's standard input, output and error, wherever they come from: this process's own, or handed over
// by another one.
//
// They are pipes, terminals or files that others share, so they are never made non-blocking; a thread of
// their own waits for them instead, and the loop that runs the command goes on. One read and one write at a
// time. Cancelling a read or write ends it at once with cancelled_error().
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/peer_node/descriptor.hpp"
#include "engine/peer_node/surroundings.hpp"
#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::peer_node {

struct StandardDescriptors {
  Descriptor in;
  Descriptor out;
  Descriptor err;
};

// Takes the places of those of 0, 1 and 2 that are closed, so that no socket or store gets their numbers:
// stdin and stdout by what fails when it is used, stderr by the null device. Called before anything is
// opened.
void occupy_closed_descriptors();

// Copies of this process's 0, 1 and 2.
StandardDescriptors standard_descriptors_of_process();

// A thread that waits in poll() for one descriptor at a time and can be woken.
class BlockingLane {
 public:
  BlockingLane();
  ~BlockingLane();

  // At least one byte, or 0 at the end.
  boost::asio::awaitable<Result<std::size_t>> read(int descriptor, MutableBytes into);
  // All of them.
  boost::asio::awaitable<Result<std::size_t>> write(int descriptor, Bytes from);

 private:
  // One of the two; a plain value, because it crosses to the thread.
  struct Transfer {
    int descriptor = -1;
    MutableBytes into;
    Bytes from;
  };
  boost::asio::awaitable<Result<std::size_t>> run(Transfer transfer);

  Descriptor wake_;                                   // readable once the transfer under way is cancelled
  std::unique_ptr<boost::asio::thread_pool> thread_;  // begun with the first piece of work
};

class Io {
 public:
  Io(StandardDescriptors descriptors, Surroundings around);

  // At least one byte of stdin, 0 at its end.
  boost::asio::awaitable<Result<std::size_t>> read(MutableBytes into);
  // All of it to stdout. broken_pipe when nobody reads any more.
  boost::asio::awaitable<Result<void>> write(Bytes bytes);
  boost::asio::awaitable<Result<void>> print(std::string line);  // and a newline
  // A line on stderr for a person; whether it arrives changes nothing.
  boost::asio::awaitable<void> say(std::string line);
  // The same without a newline, for a line that is drawn over and over.
  boost::asio::awaitable<void> draw(std::string text);

  // The descriptors themselves, for a session that runs over them instead of text.
  int input() const { return descriptors_.in.get(); }
  int output() const { return descriptors_.out.get(); }

  bool output_is_terminal() const;
  bool error_is_terminal() const;
  bool input_is_terminal() const;
  const Surroundings& around() const { return around_; }

 private:
  StandardDescriptors descriptors_;
  Surroundings around_;
  BlockingLane input_;
  BlockingLane output_;
};

}  // namespace sheaf::peer_node
