#include "engine/peer_node/commands/follow_commands.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/option_values.hpp"
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

// 32 bytes as they are, or a key's text with or without a newline.
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

asio::awaitable<Result<std::string>> ask(Io& io, std::string question) {
  co_await io.draw(std::move(question));
  std::byte answer[64];
  const auto got = co_await io.read(answer);
  if (!got) co_return got.error();
  co_return std::string(as_text(Bytes(answer).first(*got)));
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const AddCommand& command, Io& io) {
  FollowOptions options;
  options.is_private = command.is_private;
  if (command.encryption_key_file) {
    Outcome read = co_await read_encryption_key(*command.encryption_key_file, io, options.encryption_key);
    if (read.code != exit_code::done) co_return read;
  }
  Error error;
  if (command.core) {
    auto core = co_await context.node.follow(command.key, std::move(options));
    if (!core) error = core.error();
  } else {
    auto archive = co_await context.node.follow_archive(command.key, std::move(options));
    if (!archive) error = archive.error();
  }
  if (error) co_return failed(error, to_string(command.key));
  if (auto synced = co_await context.node.sync(); !synced)
    co_return failed(synced.error(), context.global.folder);
  const auto printed = co_await io.print(key_line(context, command.key));
  if (!printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const ForgetCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  const auto info = co_await core->info();
  if (!info) co_return failed(info.error(), to_string(command.core));
  if (info->writable && !command.yes) {
    if (!io.input_is_terminal() || !io.error_is_terminal())
      co_return failed(exit_code::wrong_usage,
                       to_string(command.core) + " is written here and would be gone for good: say --yes");
    const auto answer =
        co_await ask(io, to_string(command.core) + " is written here; delete it for good? [y/N] ");
    if (!answer) co_return failed(answer.error(), "stdin");
    if (!answer->starts_with('y') && !answer->starts_with('Y'))
      co_return failed(exit_code::failed, "nothing was deleted");
  }
  if (auto gone = co_await context.node.forget(info->key, info->writable); !gone)
    co_return failed(gone.error(), to_string(command.core));
  if (auto synced = co_await context.node.sync(); !synced)
    co_return failed(synced.error(), context.global.folder);
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
