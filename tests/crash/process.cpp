#include "tests/crash/process.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace sheaf::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Ends {
  int read = -1;
  int write = -1;
};

Ends make_pipe() {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  return {ends[0], ends[1]};
}

void close_one(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

void never_block(int descriptor) { REQUIRE(::fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0); }

}  // namespace

Process::Process(const std::vector<std::string>& arguments, std::string input, bool keep_input)
    : input_(std::move(input)), keep_input_(keep_input) {
  std::signal(SIGPIPE, SIG_IGN);
  Ends in = make_pipe();
  Ends out = make_pipe();
  Ends err = make_pipe();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write, 2);
  std::vector<char*> texts;
  for (const std::string& argument : arguments) texts.push_back(const_cast<char*>(argument.c_str()));
  texts.push_back(nullptr);
  const int failure = ::posix_spawnp(&pid_, texts[0], &actions, nullptr, texts.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  close_one(in.read);
  close_one(out.write);
  close_one(err.write);
  in_ = in.write;
  out_ = out.read;
  err_ = err.read;
  REQUIRE_MESSAGE(failure == 0, arguments[0]);
  ended_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  REQUIRE(ended_ >= 0);
  for (const int descriptor : {in_, out_, err_}) never_block(descriptor);
}

Process::~Process() {
  if (pid_ >= 0) kill();
  close_one(in_);
}

void Process::feed(std::string_view input) { input_ += input; }

// Reads what there is; false at the end.
bool Process::take(int& from, std::string& into) {
  char part[65536];
  const ssize_t got = ::read(from, part, sizeof part);
  if (got > 0) into.append(part, static_cast<std::size_t>(got));
  if (got == 0) close_one(from);
  return got > 0;
}

Process::Stop Process::go(Clock::time_point until, bool at_line) {
  for (;;) {
    if (at_line && said_.out.find('\n', lines_taken_) != std::string::npos) return Stop::line;
    if (input_.empty() && !keep_input_) close_one(in_);
    pollfd fds[] = {
        {ended_, POLLIN, 0}, {out_, POLLIN, 0}, {err_, POLLIN, 0}, {input_.empty() ? -1 : in_, POLLOUT, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
    if (left <= 0) return Stop::time;
    const timespec wait{left / 1'000'000'000, left % 1'000'000'000};
    if (::ppoll(fds, 4, &wait, nullptr) < 0 && errno != EINTR) REQUIRE_MESSAGE(false, "ppoll");
    if (fds[1].revents) take(out_, said_.out);
    if (fds[2].revents) take(err_, said_.err);
    if (fds[3].revents) {
      const ssize_t put = ::write(in_, input_.data(), input_.size());
      if (put > 0) input_.erase(0, static_cast<std::size_t>(put));
      if (put < 0 && errno == EPIPE) input_.clear(), close_one(in_);
    }
    // What it said last is taken by reap(); one more line may be among it.
    if (fds[0].revents && !fds[1].revents && !fds[2].revents) return Stop::ended;
  }
}

std::optional<std::string> Process::line() {
  const Stop stop = go(Clock::now() + patience, true);
  REQUIRE_MESSAGE(stop != Stop::time, "waited too long for a line");
  const std::size_t end = said_.out.find('\n', lines_taken_);
  if (end == std::string::npos) return std::nullopt;
  std::string text = said_.out.substr(lines_taken_, end - lines_taken_);
  lines_taken_ = end + 1;
  return text;
}

bool Process::run_for(Microseconds time) { return go(Clock::now() + time, false) == Stop::ended; }

Ended Process::kill() {
  ::kill(pid_, SIGKILL);
  return reap();
}

Ended Process::end() {
  const Stop stop = go(Clock::now() + patience, false);
  if (stop == Stop::time) {
    kill();
    REQUIRE_MESSAGE(false, "waited too long for an end; it said: ", said_.err);
  }
  return reap();
}

Ended Process::reap() {
  int status = 0;
  REQUIRE(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  while (out_ >= 0 && take(out_, said_.out)) {
  }
  while (err_ >= 0 && take(err_, said_.err)) {
  }
  for (int* descriptor : {&in_, &out_, &err_, &ended_}) close_one(*descriptor);
  said_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return said_;
}

std::vector<std::string> sheaf_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{SHEAF_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

Ended run_sheaf(const std::vector<std::string>& arguments, std::string input) {
  return Process(sheaf_command(arguments), std::move(input)).end();
}

}  // namespace sheaf::test
