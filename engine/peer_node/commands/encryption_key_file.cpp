#include "engine/peer_node/commands/encryption_key_file.hpp"

#include "engine/peer_node/commands/secret_text.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_key_file_bytes = 1024;

std::optional<EncryptionKey> encryption_key_from(Bytes text) {
  if (text.size() == EncryptionKey::size) return EncryptionKey::from(text);
  std::string_view line = as_text(text);
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
  SecretText text(most_key_file_bytes);
  const auto read = co_await text.read(name, io);
  if (!read) co_return failed(exit_code::failed, name + ": " + read.error().message());
  if (!text.too_long()) key = encryption_key_from(text.bytes());
  if (!key) co_return failed(exit_code::failed, name + ": holds no key of 32 bytes");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
