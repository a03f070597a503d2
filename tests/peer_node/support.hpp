// Shared by the tests of the executable.
#pragma once

#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <stdlib.h>
#include <string>
#include <unistd.h>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include "engine/peer_node/descriptor.hpp"
#include "engine/peer_node/surroundings.hpp"

namespace sheaf::test {

inline peer_node::Surroundings plain_surroundings() {
  peer_node::Surroundings around;
  around.working_folder = "/somewhere";
  around.environment["HOME"] = "/home/alice";
  return around;
}

// A folder of the test's own, gone at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sheaf-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Pipe {
  peer_node::Descriptor read;
  peer_node::Descriptor write;
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    read = peer_node::Descriptor(ends[0]);
    write = peer_node::Descriptor(ends[1]);
  }
  // Requires: nothing blocks, because it was written already and the other end is closed.
  std::string drain() {
    { const peer_node::Descriptor closing = std::move(write); }
    std::string all;
    char part[4096];
    for (ssize_t got; (got = ::read(read.get(), part, sizeof part)) > 0;)
      all.append(part, static_cast<std::size_t>(got));
    return all;
  }
};

inline boost::asio::awaitable<void> with_values(boost::asio::awaitable<void> story) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  co_await std::move(story);
}

// Runs the story on the loop until nothing is left to do.
inline void run(boost::asio::io_context& loop, boost::asio::awaitable<void> story) {
  boost::asio::co_spawn(loop, with_values(std::move(story)), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  loop.run();
}

}  // namespace sheaf::test
