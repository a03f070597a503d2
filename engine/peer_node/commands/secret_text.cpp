#include "engine/peer_node/commands/secret_text.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "engine/peer_node/descriptor.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Result<void>> SecretText::read(const std::string& name, Io& io) {
  if (name != "-") co_return read_file(io.around().resolve(name));
  while (!too_long()) {
    const auto got = co_await io.read(MutableBytes(room_).subspan(filled_));
    if (!got) co_return got.error();
    if (*got == 0) break;
    filled_ += *got;
  }
  co_return Result<void>{};
}

Result<void> SecretText::read_file(const std::filesystem::path& path) {
  // Not blocking: a pipe that nobody writes to would hold up everybody else.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  while (!too_long()) {
    const ssize_t got = file ? ::read(file.get(), room_.data() + filled_, room_.size() - filled_) : -1;
    if (got < 0) return Error{errno, boost::system::system_category()};
    if (got == 0) break;
    filled_ += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace sheaf::peer_node
