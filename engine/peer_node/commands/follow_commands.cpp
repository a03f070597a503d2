#include "engine/peer_node/commands/follow_commands.hpp"

#include "engine/peer_node/commands/encryption_key_file.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/option_values.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

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
