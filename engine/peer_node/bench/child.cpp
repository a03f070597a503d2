#include "engine/peer_node/bench/child.hpp"

#include <cerrno>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_line_bytes = 64 * 1024;

Error last_error() { return {errno, boost::system::system_category()}; }

struct PipeEnds {
  Descriptor read;
  Descriptor write;
};

Result<PipeEnds> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return last_error();
  return PipeEnds{Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace

Child::Child(pid_t process, Descriptor input, asio::posix::stream_descriptor output)
    : process_(process), input_(std::move(input)), output_(std::move(output)) {}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, 0)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      read_(std::move(other.read_)) {}

Child::~Child() { finish(); }

Result<Child> Child::start(asio::any_io_executor executor, const std::vector<std::string>& arguments) {
  auto input = make_pipe();
  auto output = make_pipe();
  if (!input) return input.error();
  if (!output) return output.error();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input->read.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, output->write.get(), 1);
  std::vector<std::string> words{"sheaf"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t process = 0;
  const int error = ::posix_spawn(&process, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Error{error, boost::system::system_category()};
  return Child(process, std::move(input->write),
               asio::posix::stream_descriptor(std::move(executor), output->read.release()));
}

asio::awaitable<Result<std::string>> Child::next_line() {
  Error error;
  const std::size_t size =
      co_await asio::async_read_until(output_, asio::dynamic_buffer(read_, most_line_bytes), '\n',
                                      asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::eof) co_return NetErrc::ended;
  if (error) co_return error;
  std::string line = read_.substr(0, size - 1);
  read_.erase(0, size);
  co_return line;
}

void Child::finish() {
  if (process_ == 0) return;
  { const Descriptor closing = std::move(input_); }
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) continue;
  process_ = 0;
}

}  // namespace sheaf::peer_node
