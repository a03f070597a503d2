#include "net/exec_stream.hpp"

#include <cerrno>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sheaf/net/descriptor_stream.hpp"
#include "sheaf/net/role_agreement.hpp"

namespace sheaf {

namespace {

Error error_of(int number) { return {number, boost::system::system_category()}; }

// The command runs in the background of a shell that ends at once, so that the system's first process and not
// we are told of its end. Descriptor 3 is the socket; a command in the background has no input of its own.
constexpr const char* in_background = "eval \"$1\" <&3 >&3 3>&- &";

Error spawn(const std::string& command, int socket) {
  posix_spawn_file_actions_t actions;
  if (const int failed = posix_spawn_file_actions_init(&actions)) return error_of(failed);
  // A descriptor that is copied onto itself loses its close-on-exec mark, too.
  int failed = posix_spawn_file_actions_adddup2(&actions, socket, 3);
  pid_t child = 0;
  const char* words[] = {"sh", "-c", in_background, "sh", command.c_str(), nullptr};
  if (!failed) failed = posix_spawn(&child, "/bin/sh", &actions, nullptr, const_cast<char**>(words), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return error_of(failed);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ByteStream>> exec_stream(boost::asio::any_io_executor executor,
                                                const std::string& command) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return error_of(errno);
  const Error failed = spawn(command, ends[1]);
  ::close(ends[1]);
  Result<std::unique_ptr<ByteStream>> stream = failed;
  if (!failed) stream = descriptor_stream(std::move(executor), ends[0], ends[0], "exec:" + command);
  ::close(ends[0]);
  if (!stream) return stream;
  return without_agreement(std::move(*stream));
}

}  // namespace sheaf
