#include "engine/peer_node/commands/archive_commands.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/follow_commands.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// -- clone.

// What of the current entries' contents is not here.
struct Missing {
  Length blocks;
  bool mapped = false;  // some are named by block maps, whose own blocks alone are counted
};

asio::awaitable<Result<Missing>> look_for_missing(Archive& archive) {
  Missing out;
  // Options with strings have a name of their own: g++ 12 destroys such temporaries of a co_await twice.
  ListOptions options;
  options.from = Core::From::here;
  auto entries = co_await archive.list(options);
  if (!entries) co_return entries.error();
  for (;;) {
    auto entry = co_await entries->next();
    if (!entry) co_return entry.error();
    if (!*entry) co_return out;
    out.blocks = out.blocks + ((*entry)->blocks - (*entry)->local);
    out.mapped = out.mapped || (*entry)->mapped;
  }
}

asio::awaitable<Outcome> fetch_whole(CommandContext& context, const CoreKey& key, const std::string& name) {
  auto core = co_await context.node.core(key);
  if (!core) co_return failed(core.error(), name);
  if (auto open = co_await wait_for_channel(context, *core); !open)
    co_return failed(exit_code::no_peer, name + ": the peer does not have it: " + open.error().message());
  if (auto fetched = co_await download_all(context, *core); !fetched) co_return failed(fetched.error(), name);
  co_return Outcome{};
}

// Everything that the peer has of it; done once the whole db core is here and whatever current entries name.
asio::awaitable<Outcome> fetch_archive(CommandContext& context, Archive& archive) {
  const std::string name = to_string(archive.key());
  Outcome entries = co_await fetch_whole(context, archive.key(), name);
  if (entries.code != exit_code::done) co_return entries;
  const auto info = co_await archive.info();
  if (!info) co_return failed(info.error(), name);
  if (info->version <= Version{1}) co_return Outcome{};  // nothing was ever written
  const auto blobs = co_await within(context.timers, context.global.timeout, archive.blobs_key());
  if (!blobs) co_return failed(blobs.error(), name);
  Outcome contents = co_await fetch_whole(context, *blobs, name);
  if (contents.code == exit_code::done) co_return contents;
  // The peer may have dropped older blocks, which nothing names any more.
  const auto missing = co_await look_for_missing(archive);
  if (!missing) co_return failed(missing.error(), name);
  if (missing->blocks.value == 0 && !missing->mapped) co_return Outcome{};
  co_return failed(exit_code::no_peer, fmt::format("{}: {} blocks are missing: {}", name,
                                                   missing->blocks.value, contents.reason));
}

// -- read.

asio::awaitable<Outcome> copy_out(CommandContext& context, FileReader& reader, const std::string& name,
                                  Io& io) {
  for (;;) {
    auto part = co_await within(context.timers, context.global.timeout, reader.next());
    if (!part) co_return failed(part.error(), name);
    if (part->empty()) co_return Outcome{};
    if (auto written = co_await io.write(*part); !written) co_return failed(written.error(), "stdout");
  }
}

asio::awaitable<Outcome> read_out(CommandContext& context, std::vector<Archive>& archives,
                                  const ReadCommand& command, const std::string& name, Io& io) {
  Core::From from = Core::From::here;
  for (Archive& archive : archives) {
    if (command.peer && archives.size() == 1) {
      auto core = co_await context.node.core(archive.key());
      if (!core) co_return failed(core.error(), to_string(archive.key()));
      if (auto open = co_await wait_for_channel(context, *core); !open)
        co_return failed(open.error(), to_string(archive.key()));
    }
    const auto info = co_await archive.info();
    if (!info) co_return failed(info.error(), to_string(archive.key()));
    // Without any peer there is nobody to wait for.
    if (info->peers > 0) from = Core::From::peers;
  }
  auto found = co_await find_entry(context, archives, name, from);
  if (auto* why = std::get_if<Outcome>(&found)) co_return std::move(*why);
  FoundEntry& one = std::get<FoundEntry>(found);
  const std::string shown = printable(one.entry.name);
  const ReadOptions range{.offset = command.offset, .length = command.length, .from = from};
  auto reader = co_await within(context.timers, context.global.timeout, one.archive.read(name, range));
  if (!reader) co_return failed(reader.error(), shown);
  co_return co_await copy_out(context, *reader, shown, io);
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const CloneCommand& command, Io& io) {
  Outcome added = co_await run(context, command.add, io);
  if (added.code != exit_code::done) co_return added;
  auto archive = co_await context.node.archive(command.add.key);
  if (!archive) co_return failed(archive.error(), to_string(command.add.key));
  co_return co_await with_progress(context, io,
                                   with_peer(context, command.peer, fetch_archive(context, *archive)));
}

asio::awaitable<Outcome> run(CommandContext& context, const ReadCommand& command, Io& io) {
  auto ref = parse_entry_ref(command.entry);
  if (!ref) co_return not_an_entry(command.entry);
  auto archives = co_await archives_for(context, *ref, command.selection);
  if (!archives) co_return failed(archives.error(), printable(command.entry));
  co_return co_await with_progress(
      context, io, with_peer(context, command.peer, read_out(context, *archives, command, ref->name, io)));
}

asio::awaitable<Outcome> run(CommandContext& context, const GetCommand& command, Io& io) {
  auto ref = parse_entry_ref(command.entry);
  if (!ref) co_return not_an_entry(command.entry);
  auto archives = co_await archives_for(context, *ref, command.selection);
  if (!archives) co_return failed(archives.error(), printable(command.entry));
  auto found = co_await find_entry(context, *archives, ref->name, Core::From::here);
  if (auto* why = std::get_if<Outcome>(&found)) co_return std::move(*why);
  if (auto printed = co_await io.print(entry_line(std::get<FoundEntry>(found).entry)); !printed)
    co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
