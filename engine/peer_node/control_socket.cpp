#include "engine/peer_node/control_socket.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sheaf/net/error.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_descriptors = 4;

Error last_error() { return {errno, boost::system::system_category()}; }

bool would_wait(const Error& error) {
  return error == boost::system::errc::resource_unavailable_try_again ||
         error == boost::system::errc::operation_would_block || error == boost::system::errc::interrupted;
}

Result<Descriptor> open_folder(const std::filesystem::path& folder) {
  Descriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return last_error();
  return opened;
}

// The socket's name by way of the open folder: always short, however long the folder's path is.
sockaddr_un address_in(const Descriptor& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(), control_name);
  return address;
}

Result<Descriptor> make_socket() {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return last_error();
  return socket;
}

// Room for the descriptors of one message, aligned as the system asks for it.
union ControlRoom {
  cmsghdr align;
  char bytes[CMSG_SPACE(most_descriptors * sizeof(int))];
};

}  // namespace

Result<Descriptor> listen_at_control(const std::filesystem::path& folder) {
  auto opened = open_folder(folder);
  if (!opened) return opened.error();
  auto socket = make_socket();
  if (!socket) return socket.error();
  // The file takes its mode from the socket when it is made, so it is never open to others, not for a moment.
  if (::fchmod(socket->get(), 0600) != 0) return last_error();
  ::unlinkat(opened->get(), control_name, 0);
  const sockaddr_un address = address_in(*opened);
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return last_error();
  if (::listen(socket->get(), 64) != 0) return last_error();
  return std::move(*socket);
}

void remove_control(const std::filesystem::path& folder) { ::unlink((folder / control_name).c_str()); }

Result<Descriptor> connect_to_control(const std::filesystem::path& folder) {
  auto opened = open_folder(folder);
  if (!opened) return opened.error();
  auto socket = make_socket();
  if (!socket) return socket.error();
  const sockaddr_un address = address_in(*opened);
  if (::connect(socket->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return last_error();
  return std::move(*socket);
}

bool ProcessAtSocket::is_us() const { return user == ::geteuid(); }

Result<ProcessAtSocket> process_at(const Descriptor& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return last_error();
  return ProcessAtSocket{credentials.pid, credentials.uid};
}

Result<Descriptor> accept_at(int listening) {
  Descriptor connection(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) return last_error();
  return connection;
}

ControlChannel::ControlChannel(asio::any_io_executor executor, Descriptor socket)
    : socket_(std::move(executor), socket.release()) {}

Result<std::size_t> ControlChannel::send_some(Bytes bytes, std::span<const int> descriptors) {
  iovec run{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &run;
  message.msg_iovlen = 1;
  ControlRoom room{};
  if (!descriptors.empty()) {
    message.msg_control = room.bytes;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
  if (sent < 0) return last_error();
  return static_cast<std::size_t>(sent);
}

asio::awaitable<Result<void>> ControlChannel::send(Bytes bytes, std::span<const int> descriptors) {
  invariant(descriptors.size() <= most_descriptors, "a message carries few descriptors");
  while (!bytes.empty()) {
    if (co_await was_cancelled()) co_return cancelled_error();
    const auto sent = send_some(bytes, descriptors);
    if (sent) {
      bytes = bytes.subspan(*sent);
      descriptors = {};
      continue;
    }
    if (!would_wait(sent.error())) co_return sent.error();
    Error error;
    co_await socket_.async_wait(asio::posix::descriptor_base::wait_write,
                                asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return error;
  }
  co_return Result<void>{};
}

Result<std::size_t> ControlChannel::receive_some(MutableBytes into) {
  iovec run{into.data(), into.size()};
  msghdr message{};
  ControlRoom room{};
  message.msg_iov = &run;
  message.msg_iovlen = 1;
  message.msg_control = room.bytes;
  message.msg_controllen = sizeof room.bytes;
  const ssize_t got = ::recvmsg(socket_.native_handle(), &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return last_error();
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      received_.emplace_back(number);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || received_.size() > most_descriptors)
    return boost::system::errc::make_error_code(boost::system::errc::message_size);
  return static_cast<std::size_t>(got);
}

asio::awaitable<Result<void>> ControlChannel::receive(MutableBytes into) {
  while (!into.empty()) {
    if (co_await was_cancelled()) co_return cancelled_error();
    const auto got = receive_some(into);
    if (got) {
      if (*got == 0) co_return NetErrc::ended;
      into = into.subspan(*got);
      continue;
    }
    if (!would_wait(got.error())) co_return got.error();
    Error error;
    co_await socket_.async_wait(asio::posix::descriptor_base::wait_read,
                                asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return error;
  }
  co_return Result<void>{};
}

std::vector<Descriptor> ControlChannel::take_descriptors() { return std::exchange(received_, {}); }

}  // namespace sheaf::peer_node
