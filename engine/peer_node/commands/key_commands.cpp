#include "engine/peer_node/commands/key_commands.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "engine/peer_node/commands/encryption_key_file.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/secret_text.hpp"
#include "engine/peer_node/descriptor.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_bytes = 1024 * 1024;  // some thousand keys

Error system_error() { return {errno, boost::system::system_category()}; }

// A new file that its owner alone may read; it is gone again where not all of it could be written.
Result<void> write_file(const std::filesystem::path& path, Bytes text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return system_error();
  Error error;
  while (!text.empty() && !error) {
    const ssize_t put = ::write(file.get(), text.data(), text.size());
    if (put < 0)
      error = system_error();
    else
      text = text.subspan(static_cast<std::size_t>(put));
  }
  if (!error && ::fsync(file.get()) != 0) error = system_error();
  if (!error) return {};
  ::unlink(path.c_str());
  return error;
}

asio::awaitable<Outcome> take_keys(CommandContext& context, const std::string& name, Io& io) {
  SecretText text(most_bytes);
  const auto read = co_await text.read(name, io);
  if (!read) co_return failed(read.error(), name);
  if (text.too_long()) co_return failed(exit_code::failed, name + ": too large for a file of keys");
  auto taken = co_await context.node.import_keys(to_buffer(text.bytes()));
  if (!taken && taken.error() == make_error_code(ProtocolErrc::malformed))
    co_return failed(exit_code::failed, name + ": holds no keys that key export wrote");
  if (!taken && taken.error() == make_error_code(EngineErrc::exists))
    co_return failed(exit_code::failed, context.global.folder.string() + ": writes under other keys already");
  if (!taken) co_return failed(taken.error(), name);
  co_return Outcome{};
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const InitCommand& command, Io& io) {
  if (command.from) {
    Outcome taken = co_await take_keys(context, *command.from, io);
    if (taken.code != exit_code::done) co_return taken;
  }
  OwnArchiveOptions options;
  if (command.encryption_key_file) {
    Outcome read = co_await read_encryption_key(*command.encryption_key_file, io, options.encryption_key);
    if (read.code != exit_code::done) co_return read;
  }
  auto archive = co_await context.node.init_archive(std::move(options));
  if (!archive && archive.error() == make_error_code(EngineErrc::exists))
    co_return failed(exit_code::failed,
                     context.global.folder.string() + ": its archive was made without this encryption key");
  if (!archive) co_return failed(archive.error(), context.global.folder);
  if (auto synced = co_await context.node.sync(); !synced)
    co_return failed(synced.error(), context.global.folder);
  const auto printed = co_await io.print(key_line(context, archive->key()));
  if (!printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const KeyExportCommand& command, Io& io) {
  auto keys = co_await context.node.export_keys();
  if (!keys) co_return failed(keys.error(), context.global.folder);
  Result<void> written;
  if (command.file == "-")
    written = co_await io.write(*keys);
  else
    written = write_file(io.around().resolve(command.file), *keys);
  wipe(*keys);
  if (!written) co_return failed(written.error(), command.file);
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
