// The process: its loop, its signals, its exit code.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <malloc.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "engine/peer_node/bench/run.hpp"
#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/program.hpp"

namespace {

namespace asio = boost::asio;
using namespace sheaf;
using namespace sheaf::peer_node;

// The first signal ends the work cleanly, the second one ends the process. Listening keeps the loop running,
// so it ends with the work.
class SignalListener {
 public:
  SignalListener(asio::io_context& loop, Interrupts& interrupts)
      : signals_(loop, SIGINT, SIGTERM), interrupts_(interrupts) {
    listen();
  }

  // A signal may have arrived whose handler has not run yet: there is nothing to cancel then, and the handler
  // must not listen again.
  void end() {
    ended_ = true;
    signals_.cancel();
  }

 private:
  void listen() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error || ended_) return;
      if (interrupts_.number != 0) ::_exit(exit_code::signal_base + number);
      interrupts_.number = number;
      interrupts_.arrived.notify();
      listen();
    });
  }

  asio::signal_set signals_;
  Interrupts& interrupts_;
  bool ended_ = false;
};

asio::awaitable<int> run(const Environment& environment, const std::vector<std::string>& arguments,
                         const Command& command, Io& io, Interrupts& interrupts) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (const auto* bench = std::get_if<BenchCommand>(&command.action))
    co_return co_await run_bench(environment, *bench, command.global, io, interrupts);
  co_return co_await run_program(environment, arguments, command, io, interrupts);
}

// Blocks and their batches, mostly of up to 2 MiB, are allocated and freed without end while a session is
// busy, and each new page costs a fault: with every buffer in a mapping of its own that was half of a
// server's time. So what is freed stays here, but not for good: left alone, glibc would keep up to 64 MiB at
// the top of each of its heaps, and from 4 MiB on the system moves pages better than we copy them.
void keep_pages_of_busy_sessions() {
  ::mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
}

int run_to_exit_code(const std::vector<std::string>& arguments, const Command& command, Surroundings around) {
  asio::io_context loop(1);
  Interrupts interrupts;
  SignalListener signals(loop, interrupts);
  SystemEnvironment environment(loop.get_executor());
  Io io(standard_descriptors_of_process(), std::move(around));
  int code = exit_code::failed;
  asio::co_spawn(loop, run(environment.get(), arguments, command, io, interrupts),
                 [&](std::exception_ptr thrown, int ended_with) {
                   signals.end();
                   if (thrown) std::rethrow_exception(thrown);
                   code = ended_with;
                 });
  loop.run();
  return code;
}

}  // namespace

int main(int count, char** texts) {
  occupy_closed_descriptors();
  // A reader that goes away is an error of the write and exit 141, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow is a failed write, which stores know how to live with.
  std::signal(SIGXFSZ, SIG_IGN);
  keep_pages_of_busy_sessions();
  const std::vector<std::string> arguments(texts + (count > 0 ? 1 : 0), texts + count);
  try {
    Surroundings around = surroundings_of_process();
    const Parsed parsed = parse_arguments(arguments, around);
    if (const auto* said = std::get_if<Said>(&parsed)) {
      const bool wrong = said->code != exit_code::done;
      const bool told =
          std::fputs(said->text.c_str(), wrong ? stderr : stdout) >= 0 && std::fflush(nullptr) == 0;
      return told || wrong ? said->code : exit_code::output_closed;
    }
    return run_to_exit_code(arguments, std::get<Command>(parsed), std::move(around));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sheaf: %s\n", error.what());
    return exit_code::failed;
  }
}
