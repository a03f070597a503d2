#include "engine/peer_node/commands/archive_commands.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/output_file.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

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

asio::awaitable<Outcome> copy_to_file(CommandContext& context, FileReader& reader, const std::string& name,
                                      const std::string& file, const Io& io) {
  Pool& pool = *context.environment.pool;
  const auto path = io.around().resolve(file);
  const std::uint64_t number = context.environment.random->next();
  const mode_t mask = io.around().file_mask;
  auto begin = [&path, number, mask] { return OutputFile::open(path, number, mask); };
  auto output = co_await offload(pool, begin);
  if (!output) co_return failed(output.error(), printable(file));
  for (;;) {
    auto part = co_await within(context.timers, context.global.timeout, reader.next());
    if (!part) co_return failed(part.error(), name);
    auto put = [&output, &part] { return part->empty() ? output->finish() : output->write(*part); };
    if (auto done = co_await offload(pool, put); !done) co_return failed(done.error(), printable(file));
    if (part->empty()) co_return Outcome{};
  }
}

asio::awaitable<Outcome> read_out(CommandContext& context, std::vector<Archive>& archives,
                                  const ReadCommand& command, const std::string& name, Io& io) {
  if (command.peer && archives.size() == 1) {
    const CoreKey& key = archives.front().key();
    auto core = co_await context.node.core(key);
    if (!core) co_return failed(core.error(), to_string(key));
    if (auto open = co_await wait_for_channel(context, *core); !open)
      co_return failed(open.error(), to_string(key));
  }
  auto found = co_await find_entry(context, archives, name, Core::From::peers);
  if (auto* why = std::get_if<Outcome>(&found)) co_return std::move(*why);
  FoundEntry& one = std::get<FoundEntry>(found);
  const std::string shown = printable(one.entry.name);
  const auto from = co_await where_to_look(context, one.archive);
  if (!from) co_return failed(from.error(), shown);
  const ReadOptions range{.offset = command.offset, .length = command.length, .from = *from};
  auto reader = co_await within(context.timers, context.global.timeout, one.archive.read(name, range));
  if (!reader) co_return failed(reader.error(), shown);
  if (command.output.empty() || command.output == "-")
    co_return co_await copy_out(context, *reader, shown, io);
  co_return co_await copy_to_file(context, *reader, shown, command.output, io);
}

}  // namespace

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
  auto found = co_await find_entry(context, *archives, ref->name, Core::From::peers);
  if (auto* why = std::get_if<Outcome>(&found)) co_return std::move(*why);
  if (auto printed = co_await io.print(entry_line(std::get<FoundEntry>(found).entry)); !printed)
    co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
