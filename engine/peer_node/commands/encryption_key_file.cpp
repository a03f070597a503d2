#include "engine/peer_node/commands/encryption_key_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "engine/peer_node/descriptor.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_key_file_bytes = 1024;

// Bytes of a key on their way: wiped when they go.
struct KeyText {
  Buffer bytes;
  KeyText() { bytes.reserve(most_key_file_bytes + 1); }  // so that growing leaves no copy behind
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;
  ~KeyText() { wipe(bytes); }
};

asio::awaitable<Result<void>> read_input(Io& io, KeyText& text) {
  text.bytes.resize(most_key_file_bytes + 1);
  std::size_t filled = 0;
  while (filled < text.bytes.size()) {
    const auto got = co_await io.read(MutableBytes(text.bytes).subspan(filled));
    if (!got) co_return got.error();
    if (*got == 0) break;
    filled += *got;
  }
  text.bytes.resize(filled);
  co_return Result<void>{};
}

Result<void> read_key_file(const std::filesystem::path& path, KeyText& text) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  text.bytes.resize(most_key_file_bytes + 1);
  const ssize_t got = file ? ::read(file.get(), text.bytes.data(), text.bytes.size()) : -1;
  if (got < 0) return Error{errno, boost::system::system_category()};
  text.bytes.resize(static_cast<std::size_t>(got));
  return {};
}

std::optional<EncryptionKey> encryption_key_from(const KeyText& text) {
  if (text.bytes.size() == EncryptionKey::size) return EncryptionKey::from(text.bytes);
  std::string_view line = as_text(text.bytes);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' '))
    line.remove_suffix(1);
  auto bytes = key_bytes_from_text(line);
  if (!bytes) return std::nullopt;
  auto key = EncryptionKey::from(*bytes);
  wipe(*bytes);
  return key;
}

}  // namespace

asio::awaitable<Outcome> read_encryption_key(const std::string& name, Io& io,
                                             std::optional<EncryptionKey>& key) {
  KeyText text;
  Result<void> read;
  if (name == "-")
    read = co_await read_input(io, text);
  else
    read = read_key_file(io.around().resolve(name), text);
  if (!read) co_return Outcome{exit_code::failed, name + ": " + read.error().message()};
  if (text.bytes.size() <= most_key_file_bytes) key = encryption_key_from(text);
  if (!key) co_return failed(exit_code::failed, name + ": holds no key of 32 bytes");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
