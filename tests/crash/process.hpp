// A program that runs beside the test, is fed and read through pipes, and may be killed at any moment.
//
// Whatever it is waited for has an end: after `patience` it is killed and the test fails.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "tests/crash/draws.hpp"

namespace sheaf::test {

inline constexpr std::chrono::seconds patience{60};

struct Ended {
  int code = 0;  // the exit code, or minus the signal's number
  std::string out;
  std::string err;
};

class Process {
 public:
  // Starts it; `input` is fed into its stdin as fast as it takes it, then stdin is closed unless it is to
  // stay open.
  explicit Process(const std::vector<std::string>& arguments, std::string input = {},
                   bool keep_input = false);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next whole line of stdout; nothing once it has ended.
  std::optional<std::string> line();
  // Feeds and reads until the time is over (false) or the program has ended (true).
  bool run_for(Microseconds time);
  // More for a stdin that was kept open.
  void feed(std::string_view input);
  pid_t pid() const { return pid_; }
  // SIGKILL, and gives everything that was said before.
  Ended kill();
  // Waits for the end.
  Ended end();

 private:
  enum class Stop { ended, line, time };
  Stop go(std::chrono::steady_clock::time_point until, bool at_line);
  bool take(int& from, std::string& into);
  Ended reap();

  pid_t pid_ = -1;
  int ended_ = -1;  // readable once the process has ended
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::string input_;
  bool keep_input_;
  Ended said_;
  std::size_t lines_taken_ = 0;  // bytes of said_.out
};

// `sheaf ARGUMENTS` from start to end.
std::vector<std::string> sheaf_command(const std::vector<std::string>& arguments);
Ended run_sheaf(const std::vector<std::string>& arguments, std::string input = {});

}  // namespace sheaf::test
