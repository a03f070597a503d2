#include "engine/peer_node/io.hpp"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

Error last_error() { return {errno, boost::system::system_category()}; }

Descriptor copy_of(int number) { return Descriptor(::fcntl(number, F_DUPFD_CLOEXEC, 3)); }

// No error once the descriptor can be used without waiting; cancelled when `wake` came first.
Error wait_for(int descriptor, short events, int wake) {
  for (;;) {
    pollfd both[] = {{descriptor, events, 0}, {wake, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    if (both[1].revents != 0) return cancelled_error();
    if (both[0].revents != 0) return {};
  }
}

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

Result<std::size_t> read_once(int descriptor, MutableBytes into, int wake) {
  for (;;) {
    if (const Error error = wait_for(descriptor, POLLIN, wake)) return error;
    const ssize_t got = ::read(descriptor, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (!would_wait()) return last_error();
  }
}

// What poll() calls writable takes this much without waiting (PIPE_BUF); a file takes anything.
std::size_t most_at_once(int descriptor) {
  constexpr std::size_t pipe_bytes = 4096;
  struct stat about {};
  const bool is_file = ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
  return is_file ? std::size_t{1} << 30 : pipe_bytes;
}

Result<std::size_t> write_all(int descriptor, Bytes bytes, int wake) {
  const std::size_t most = most_at_once(descriptor);
  std::size_t written = 0;
  while (written < bytes.size()) {
    if (const Error error = wait_for(descriptor, POLLOUT, wake)) return error;
    const Bytes rest = bytes.subspan(written, std::min(most, bytes.size() - written));
    const ssize_t went = ::write(descriptor, rest.data(), rest.size());
    if (went >= 0)
      written += static_cast<std::size_t>(went);
    else if (!would_wait())
      return last_error();
  }
  return written;
}

}  // namespace

void occupy_closed_descriptors() {
  constexpr int wrong_way[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int number = 0; number <= 2; ++number) {
    // The lowest free number is the one that open() gives.
    if (::fcntl(number, F_GETFD) < 0) [[maybe_unused]]
      const int taken = ::open("/dev/null", wrong_way[number]);
  }
}

StandardDescriptors standard_descriptors_of_process() { return {copy_of(0), copy_of(1), copy_of(2)}; }

BlockingLane::BlockingLane() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

BlockingLane::~BlockingLane() {
  if (thread_) thread_->join();
}

asio::awaitable<Result<std::size_t>> BlockingLane::read(int descriptor, MutableBytes into) {
  return run({descriptor, into, {}});
}

asio::awaitable<Result<std::size_t>> BlockingLane::write(int descriptor, Bytes from) {
  return run({descriptor, {}, from});
}

asio::awaitable<Result<std::size_t>> BlockingLane::run(Transfer transfer) {
  if (co_await was_cancelled()) co_return cancelled_error();
  if (!thread_) thread_ = std::make_unique<asio::thread_pool>(1);
  auto initiate = [this](auto handler, Transfer transfer) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([this](asio::cancellation_type) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
      });
    }
    auto executor = asio::get_associated_executor(handler, thread_->get_executor());
    auto work = [this, transfer, slot, executor, handler = std::move(handler),
                 busy = asio::make_work_guard(executor)]() mutable {
      const auto result = transfer.into.empty() ? write_all(transfer.descriptor, transfer.from, wake_.get())
                                                : read_once(transfer.descriptor, transfer.into, wake_.get());
      auto complete = [this, slot, result, handler = std::move(handler)]() mutable {
        // From here on nobody can wake the lane, so that a late cancel does not end the next transfer.
        if (slot.is_connected()) slot.clear();
        std::uint64_t ignored = 0;
        [[maybe_unused]] const ssize_t drained = ::read(wake_.get(), &ignored, sizeof ignored);
        std::move(handler)(result);
      };
      asio::post(executor, std::move(complete));
    };
    asio::post(*thread_, std::move(work));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<std::size_t>)>(
      std::move(initiate), asio::use_awaitable, transfer);
}

Io::Io(StandardDescriptors descriptors, Surroundings around)
    : descriptors_(std::move(descriptors)), around_(std::move(around)) {}

asio::awaitable<Result<std::size_t>> Io::read(MutableBytes into) {
  return input_.read(descriptors_.in.get(), into);
}

asio::awaitable<Result<void>> Io::write(Bytes bytes) {
  const auto written = co_await output_.write(descriptors_.out.get(), bytes);
  if (!written) {
    // A stdout that was closed from the start is one that nobody reads.
    const bool closed = written.error() == boost::system::errc::bad_file_descriptor;
    co_return closed ? boost::system::errc::make_error_code(boost::system::errc::broken_pipe)
                     : written.error();
  }
  co_return Result<void>{};
}

asio::awaitable<Result<void>> Io::print(std::string line) {
  line += '\n';
  co_return co_await write(as_bytes(line));
}

asio::awaitable<void> Io::say(std::string line) {
  line += '\n';
  co_await draw(std::move(line));
}

asio::awaitable<void> Io::draw(std::string text) {
  [[maybe_unused]] const auto written = co_await output_.write(descriptors_.err.get(), as_bytes(text));
}

bool Io::output_is_terminal() const { return ::isatty(descriptors_.out.get()) == 1; }
bool Io::error_is_terminal() const { return ::isatty(descriptors_.err.get()) == 1; }
bool Io::input_is_terminal() const { return ::isatty(descriptors_.in.get()) == 1; }

}  // namespace sheaf::peer_node
