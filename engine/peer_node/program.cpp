#include "engine/peer_node/program.hpp"

#include <csignal>
#include <optional>

#include "engine/peer_node/config.hpp"
#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/folder.hpp"
#include "engine/peer_node/holder.hpp"
#include "engine/peer_node/visitor.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

std::string named(pid_t pid) { return pid > 0 ? "process " + std::to_string(pid) : "another process"; }

// One call, on its way to the folder: by the front door, or by whoever holds it.
class Call {
 public:
  Call(const Environment& environment, const std::vector<std::string>& arguments, Command command,
       Config config, Io& io, Interrupts& interrupts)
      : environment_(environment),
        handover_{arguments, io.around()},
        command_(std::move(command)),
        config_(std::move(config)),
        io_(io),
        interrupts_(interrupts) {}

  asio::awaitable<int> run() {
    const Timers& timers = *environment_.timers;
    // A holder that says nothing is waited for a little; one that says it is busy, as long as for a peer.
    Instant silent_since = timers.now();
    const Instant begun = timers.now();
    for (;;) {
      if (interrupts_.number != 0) co_return exit_code::signal_base + interrupts_.number;
      const Visit visit =
          co_await visit_holder(folder(), handover_, {0, 1, 2}, *environment_.timers, interrupts_);
      if (const auto code = after_visit(visit)) co_return co_await fail_or(*code);
      if (visit.how == Visit::How::declined) silent_since = timers.now();

      const auto code = co_await try_to_hold();
      if (code) co_return co_await fail_or(*code);
      const bool waited_enough =
          timers.now() - silent_since >= holder_patience ||
          (command_.global.timeout && timers.now() - begun >= *command_.global.timeout);
      if (waited_enough) {
        const pid_t pid = visit.pid > 0 ? visit.pid : pid_of_holder(folder());
        reason_ = folder().string() + " is held by " + named(pid) + ", which does not take this command";
        co_return co_await fail_or(exit_code::failed);
      }
      if (auto slept =
              co_await environment_.timers->sleep_until(timers.now() + std::chrono::milliseconds(20));
          !slept)
        co_return exit_code::failed;
    }
  }

 private:
  const std::filesystem::path& folder() const { return command_.global.folder; }

  asio::awaitable<int> fail_or(int code) {
    if (!reason_.empty()) co_await io_.say("sheaf: " + reason_);
    co_return code;
  }

  // Nothing: go on, by opening the folder ourselves.
  std::optional<int> after_visit(const Visit& visit) {
    const std::string holder = folder().string() + " is held by " + named(visit.pid);
    switch (visit.how) {
      case Visit::How::nobody:
      case Visit::How::declined:
      case Visit::How::released: return std::nullopt;
      case Visit::How::done: return visit.code;
      case Visit::How::vanished:
        // What only moves blocks is begun again where the dead process left it.
        if (traits_of(command_.action).resumable) return std::nullopt;
        reason_ = holder + ", which ended while it ran this command";
        return exit_code::failed;
      case Visit::How::silent:
        reason_ = folder().string() + " is held by " +
                  named(visit.pid > 0 ? visit.pid : pid_of_holder(folder())) + ", which does not answer";
        return exit_code::failed;
      case Visit::How::stranger:
        reason_ = holder + ", which belongs to another user";
        return exit_code::failed;
    }
    return std::nullopt;
  }

  // The exit code, or nothing when another process holds the folder.
  asio::awaitable<std::optional<int>> try_to_hold() {
    reason_ = exposed_secrets(folder());
    if (!reason_.empty()) co_return exit_code::failed;
    Holder holder(environment_, command_, config_, io_);
    const auto opened = co_await holder.open(interrupts_);
    std::optional<int> code;
    if (opened)
      code = co_await holder.run_own(interrupts_);
    else if (opened.error() == cancelled_error())
      code = exit_code::signal_base + interrupts_.number;
    else if (opened.error() != make_error_code(StorageErrc::locked))
      code = cannot_open(opened.error());
    co_await holder.close();
    co_return code;
  }

  int cannot_open(const Error& error) {
    if (error == make_error_code(StorageErrc::not_found)) {
      reason_ = "no store in " + folder().string();
      return exit_code::not_found;
    }
    const Outcome outcome = failed(error, folder().string());
    reason_ = outcome.reason;
    return outcome.code;
  }

  const Environment& environment_;
  Handover handover_;
  Command command_;
  Config config_;
  Io& io_;
  Interrupts& interrupts_;
  std::string reason_;
};

}  // namespace

asio::awaitable<int> run_program(const Environment& environment, const std::vector<std::string>& arguments,
                                 Command command, Io& io, Interrupts& interrupts) {
  std::optional<Config> config;
  std::string wrong;
  try {
    config = load_config(command.global.config, command.global.folder, io.around());
  } catch (const BadConfig& bad) {
    wrong = bad.what();
  }
  if (!config) {
    co_await io.say("sheaf: " + wrong);
    co_return exit_code::failed;
  }
  Call call(environment, arguments, std::move(command), std::move(*config), io, interrupts);
  co_return co_await call.run();
}

}  // namespace sheaf::peer_node
