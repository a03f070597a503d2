#include "engine/peer_node/commands/write_commands.hpp"

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/output.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t read_bytes = 256 * 1024;

asio::awaitable<Outcome> copy_in(FileWriter& writer, const std::string& name, Io& io) {
  Buffer part(read_bytes);
  for (;;) {
    const auto got = co_await io.read(part);
    if (!got) co_return failed(got.error(), "stdin");
    if (*got == 0) break;
    if (auto taken = co_await writer.append(Bytes(part).first(*got)); !taken)
      co_return failed(taken.error(), name);
  }
  if (auto version = co_await writer.finish(Core::Safety::machine); !version)
    co_return failed(version.error(), name);
  co_return Outcome{};
}

// The one that this folder writes; not_found where there is none yet.
asio::awaitable<Result<Archive>> own_archive(CommandContext& context) {
  const auto key = co_await context.node.own_archive();
  if (!key) co_return key.error();
  if (!*key) co_return EngineErrc::not_found;
  co_return co_await context.node.archive(**key);
}

Outcome no_own_archive(CommandContext& context, const Error& error) {
  if (error != make_error_code(EngineErrc::not_found)) return failed(error, context.global.folder);
  return failed(exit_code::not_found, context.global.folder.string() + ": writes no archive yet");
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const WriteCommand& command, Io& io) {
  const std::string shown = printable(command.name);
  auto archive = co_await context.node.init_archive();
  if (!archive) co_return failed(archive.error(), shown);
  EntryTraits traits;
  traits.executable = command.executable;
  traits.metadata = command.metadata;
  auto writer = co_await archive->write(command.name, traits);
  if (!writer) co_return failed(writer.error(), shown);
  co_return co_await copy_in(*writer, shown, io);
}

asio::awaitable<Outcome> run(CommandContext& context, const AppendCommand& command, Io&) {
  const std::string shown = printable(command.name);
  auto archive = co_await context.node.init_archive();
  if (!archive) co_return failed(archive.error(), shown);
  EntryTraits traits;
  traits.executable = command.executable;
  traits.metadata = command.metadata;
  Result<Version> version = Version{};
  if (command.linkname.empty())
    version = co_await archive->put_entry(command.name, traits, Core::Safety::machine);
  else
    version = co_await archive->symlink(command.name, command.linkname, traits, Core::Safety::machine);
  if (!version) co_return failed(version.error(), shown);
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const RemoveCommand& command, Io&) {
  auto ref = parse_entry_ref(command.entry);
  if (!ref) co_return not_an_entry(command.entry);
  const Selection all;
  auto archives = co_await archives_for(context, *ref, all);
  if (!archives) co_return failed(archives.error(), printable(command.entry));
  auto found = co_await find_entry(context, *archives, ref->name, Core::From::here);
  if (auto* why = std::get_if<Outcome>(&found)) co_return std::move(*why);
  FoundEntry& one = std::get<FoundEntry>(found);
  const std::string shown = printable(one.entry.name);
  auto own = co_await own_archive(context);
  if (!own && own.error() != make_error_code(EngineErrc::not_found)) co_return failed(own.error(), shown);
  if (!own || own->key() != one.entry.link)
    co_return failed(exit_code::refused, shown + "@" + to_string(one.entry.link) + " is another writer's");
  const auto gone = co_await own->del(one.entry.name, Core::Safety::machine);
  if (!gone) co_return failed(gone.error(), shown);
  if (!*gone) co_return failed(exit_code::not_found, "no entry " + shown);
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const TruncateCommand& command, Io&) {
  auto own = co_await own_archive(context);
  if (!own) co_return no_own_archive(context, own.error());
  const auto cut = co_await own->truncate(command.version, Core::Safety::machine);
  if (!cut && cut.error() == make_error_code(EngineErrc::out_of_range))
    co_return failed(exit_code::not_found, to_string(own->key()) + " has no version " +
                                               std::to_string(command.version.value) + " yet");
  if (!cut) co_return failed(cut.error(), to_string(own->key()));
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
