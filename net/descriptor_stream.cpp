#include "sheaf/net/descriptor_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;
using asio::posix::stream_descriptor;

namespace {

// As many runs as go to the system in one call.
constexpr std::size_t runs_most = 64;

Error last_error() { return {errno, boost::system::system_category()}; }

// One of the two ways. What it changes about the open file, which others may share, it changes back.
class Way {
 public:
  explicit Way(const asio::any_io_executor& executor) : descriptor_(executor) {}
  Way(Way&&) = delete;
  ~Way() { close(); }

  Error open(int original) {
    const int copy = ::fcntl(original, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return last_error();
    struct stat about {};
    const bool known = ::fstat(copy, &about) == 0;
    // A file on disk is always ready, so there is no waiting for more of it.
    if (!known || S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) {
      const Error error =
          known ? Error(boost::system::errc::make_error_code(boost::system::errc::operation_not_permitted))
                : last_error();
      ::close(copy);
      return error;
    }
    socket_ = S_ISSOCK(about.st_mode);
    flags_ = ::fcntl(copy, F_GETFL);
    Error error;
    descriptor_.assign(copy, error);
    if (error) {
      ::close(copy);
      return error;
    }
    descriptor_.non_blocking(true, error);
    return error;
  }

  void close() {
    if (!descriptor_.is_open()) return;
    const int number = descriptor_.native_handle();
    if (flags_ >= 0) ::fcntl(number, F_SETFL, flags_);
    Error ignored;
    descriptor_.close(ignored);
  }

  bool is_open() const { return descriptor_.is_open(); }
  bool is_socket() const { return socket_; }
  int number() { return descriptor_.native_handle(); }

  asio::awaitable<Result<void>> wait(stream_descriptor::wait_type what) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
    if (!is_open()) co_return NetErrc::closed;
    const auto [error] = co_await descriptor_.async_wait(what, asio::as_tuple(asio::use_awaitable));
    if (!error) co_return Result<void>();
    if (!is_open()) co_return NetErrc::closed;
    co_return error;
  }

 private:
  stream_descriptor descriptor_;
  int flags_ = -1;
  bool socket_ = false;
};

class DescriptorStream final : public ByteStream {
 public:
  DescriptorStream(const asio::any_io_executor& executor, std::string name)
      : in_(executor), out_(executor), name_(std::move(name)) {}

  Error open(int in, int out) {
    if (const Error error = in_.open(in)) return error;
    return out_.open(out);
  }

  Result<std::size_t> try_read(MutableBytes into) override {
    if (!in_.is_open()) return NetErrc::closed;
    for (;;) {
      const ssize_t taken = ::read(in_.number(), into.data(), into.size());
      if (taken >= 0) return static_cast<std::size_t>(taken);
      // A terminal whose other side has gone, and a socket that was reset, have ended like a pipe.
      if (errno == EIO) return std::size_t{0};
      if (errno != EINTR) return last_error();
    }
  }

  Result<std::size_t> try_write(std::span<const Bytes> runs) override {
    if (!in_.is_open()) return NetErrc::closed;
    if (!out_.is_open()) return Error(asio::error::broken_pipe);
    std::array<iovec, runs_most> pieces;
    const std::size_t count = std::min(runs.size(), runs_most);
    for (std::size_t i = 0; i < count; ++i)
      pieces[i] = {const_cast<std::byte*>(runs[i].data()), runs[i].size()};
    for (;;) {
      const ssize_t sent = write(std::span(pieces).first(count));
      if (sent >= 0) return static_cast<std::size_t>(sent);
      if (errno != EINTR) return last_error();
    }
  }

  asio::awaitable<Result<void>> readable() override { return in_.wait(stream_descriptor::wait_read); }
  asio::awaitable<Result<void>> writable() override { return out_.wait(stream_descriptor::wait_write); }

  void end() override {
    if (out_.is_open() && out_.is_socket()) ::shutdown(out_.number(), SHUT_WR);
    out_.close();
  }

  void close() override {
    out_.close();
    in_.close();
  }

  std::string remote() const override { return name_; }

 private:
  // A pipe that nobody reads any more is an error here and no signal.
  ssize_t write(std::span<iovec> pieces) {
    if (!out_.is_socket()) return ::writev(out_.number(), pieces.data(), static_cast<int>(pieces.size()));
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    return ::sendmsg(out_.number(), &message, MSG_NOSIGNAL);
  }

  Way in_;
  Way out_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<ByteStream>> descriptor_stream(asio::any_io_executor executor, int in, int out,
                                                      std::string name) {
  auto stream = std::make_unique<DescriptorStream>(executor, std::move(name));
  if (const Error error = stream->open(in, out)) return error;
  return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace sheaf
