#include "sheaf/engine/environment.hpp"

#include <fstream>

#include "sheaf/net/asio_timers.hpp"
#include "sheaf/net/thread_pool.hpp"

namespace sheaf {
namespace {

// Linux names each run of the machine.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string out;
  std::getline(file, out);
  return out;
}

}  // namespace

SystemEnvironment::SystemEnvironment(boost::asio::any_io_executor executor, unsigned threads)
    : timers_(std::make_unique<AsioTimers>()),
      pool_(std::make_unique<ThreadPool>(threads)),
      random_(system_random()) {
  environment_.executor = executor;
  environment_.timers = timers_.get();
  environment_.pool = pool_.get();
  environment_.random = random_.get();
  environment_.boot_id = boot_id();
}

SystemEnvironment::~SystemEnvironment() = default;

}  // namespace sheaf
