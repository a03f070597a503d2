#include "engine/peer_node/commands/core_commands.hpp"

#include "engine/peer_node/commands/line_splitter.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/option_values.hpp"
#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_block_bytes = 15 * 1024 * 1024;  // what one frame of the wire can carry
constexpr std::size_t read_bytes = 256 * 1024;              // at most so much becomes one batch of lines

std::string length_line(Length length) { return to_line({{"length", length.value}}); }

std::string core_text(const CoreInfo& info) {
  const Json json = core_json(info);
  std::string text;
  for (const auto& [name, value] : json.items()) {
    if (!text.empty()) text += '\n';
    text += name + ": " + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

asio::awaitable<Outcome> say_length(CommandContext& context, Io& io, Length length) {
  if (!context.global.json) co_return Outcome{};
  if (auto printed = co_await io.print(length_line(length)); !printed)
    co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

Outcome too_large() { return failed(exit_code::failed, "stdin: a block has at most 15 MiB"); }

asio::awaitable<Result<Length>> append_whole_input(Core& core, Io& io, bool& large) {
  Buffer block;
  Buffer part(read_bytes);
  for (;;) {
    const auto got = co_await io.read(part);
    if (!got) co_return got.error();
    if (*got == 0) break;
    append(block, Bytes(part).first(*got));
    large = block.size() > most_block_bytes;
    if (large) co_return Length{};
  }
  co_return co_await core.append(block, Core::Safety::machine);
}

asio::awaitable<Result<Length>> append_batch(Core& core, std::vector<Buffer>& lines) {
  const std::vector<Bytes> blocks(lines.begin(), lines.end());
  auto length = co_await core.append(std::span<const Bytes>(blocks));
  lines.clear();
  co_return length;
}

// Lines are appended as they come, so that who follows the core sees them while the input still lasts.
asio::awaitable<Result<Length>> append_lines(CommandContext& context, Core& core, Io& io, bool& large) {
  LineSplitter splitter(most_block_bytes);
  std::vector<Buffer> lines;
  Buffer part(read_bytes);
  for (bool ended = false; !ended;) {
    const auto got = co_await io.read(part);
    if (!got) co_return got.error();
    ended = *got == 0;
    if (ended)
      splitter.finish(lines);
    else
      large = !splitter.feed(Bytes(part).first(*got), lines);
    if (!lines.empty()) {
      if (auto length = co_await append_batch(core, lines); !length) co_return length.error();
    }
    if (large) break;
  }
  if (auto synced = co_await context.node.sync(); !synced) co_return synced.error();
  const auto info = co_await core.info();
  if (!info) co_return info.error();
  co_return info->length;
}

// Learns the length from the peers if the block is past the one known here; out_of_range: past theirs too.
asio::awaitable<Result<void>> look_for(CommandContext& context, Core& core, BlockIndex index) {
  auto info = co_await core.info();
  if (!info) co_return info.error();
  if (index < end_of(info->length)) co_return Result<void>{};
  const auto length = co_await within(context.timers, context.global.timeout, core.update());
  if (!length) co_return length.error();
  if (index < end_of(*length)) co_return Result<void>{};
  co_return EngineErrc::out_of_range;
}

asio::awaitable<Result<Buffer>> get_from_peers(CommandContext& context, Core& core,
                                               const CoreGetCommand& command) {
  if (command.peer) {
    if (auto open = co_await wait_for_channel(context, core); !open) co_return open.error();
  }
  if (auto there = co_await look_for(context, core, command.index); !there) co_return there.error();
  const auto from = co_await where_to_look(context, core);
  if (!from) co_return from.error();
  co_return co_await within(context.timers, context.global.timeout, core.get(command.index, *from));
}

asio::awaitable<Outcome> write_block(Io& io, Result<Buffer> block, const CoreGetCommand& command) {
  const std::string what = to_string(command.core) + ": block " + std::to_string(command.index.value);
  if (!block) {
    if (block.error() == make_error_code(EngineErrc::out_of_range))
      co_return failed(exit_code::not_found, what + " is past the core's end");
    if (block.error() == make_error_code(NetErrc::timed_out))
      co_return failed(exit_code::no_peer, what + ": no peer gave it within the time of --timeout");
    co_return failed(block.error(), what);
  }
  if (auto written = co_await io.write(*block); !written) co_return failed(written.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> fetch_and_write(CommandContext& context, Core& core, const CoreGetCommand& command,
                                         Io& io) {
  co_return co_await write_block(io, co_await get_from_peers(context, core, command), command);
}

asio::awaitable<Outcome> say_position(CommandContext& context, Io& io, Result<BytePosition> position,
                                      const CoreSeekCommand& command) {
  const std::string what = to_string(command.core) + ": byte " + std::to_string(command.bytes.value);
  if (!position) {
    if (position.error() == make_error_code(EngineErrc::out_of_range))
      co_return failed(exit_code::not_found, what + " is past the core's end");
    if (position.error() == make_error_code(NetErrc::timed_out))
      co_return failed(exit_code::no_peer, what + ": no peer led there within the time of --timeout");
    co_return failed(position.error(), what);
  }
  const std::uint64_t block = position->block.value, byte = position->offset.value;
  const std::string text = context.global.json ? to_line(Json{{"block", block}, {"byte", byte}})
                                               : std::to_string(block) + " " + std::to_string(byte) + "\n";
  if (auto printed = co_await io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> seek_and_say(CommandContext& context, Core& core, const CoreSeekCommand& command,
                                      Io& io) {
  if (command.peer)
    if (auto open = co_await wait_for_channel(context, core); !open)
      co_return co_await say_position(context, io, open.error(), command);
  const auto from = co_await where_to_look(context, core);
  if (!from) co_return failed(from.error(), to_string(command.core));
  auto position = co_await within(context.timers, context.global.timeout, core.seek(command.bytes, *from));
  co_return co_await say_position(context, io, std::move(position), command);
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const CoreCreateCommand& command, Io& io) {
  auto core = co_await context.node.create_core(command.name);
  if (!core) co_return failed(core.error(), command.name);
  if (auto synced = co_await context.node.sync(); !synced)
    co_return failed(synced.error(), context.global.folder);
  const auto printed = co_await io.print(key_line(context, core->key()));
  if (!printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const CoreAppendCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  // Before reading what may be a long input: it could not be kept.
  const auto info = co_await core->info();
  if (!info) co_return failed(info.error(), to_string(command.core));
  if (!info->writable) co_return failed(EngineErrc::not_writable, to_string(command.core));
  bool large = false;
  // Not by `?:` nor `&&` around co_await: g++ 12 goes astray in some of them.
  Result<Length> length = Length{};
  if (command.lines)
    length = co_await append_lines(context, *core, io, large);
  else
    length = co_await append_whole_input(*core, io, large);
  if (!length) co_return failed(length.error(), to_string(command.core));
  if (large) co_return too_large();
  co_return co_await say_length(context, io, *length);
}

asio::awaitable<Outcome> run(CommandContext& context, const CoreGetCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  auto here = co_await core->get(command.index, Core::From::here);
  if (here) co_return co_await write_block(io, std::move(here), command);
  const bool may_be_elsewhere = here.error() == make_error_code(EngineErrc::not_available) ||
                                here.error() == make_error_code(EngineErrc::out_of_range);
  if (!may_be_elsewhere) co_return co_await write_block(io, here.error(), command);
  co_return co_await with_peer(context, command.peer, fetch_and_write(context, *core, command, io));
}

asio::awaitable<Outcome> run(CommandContext& context, const CoreInfoCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  const auto info = co_await core->info();
  if (!info) co_return failed(info.error(), to_string(command.core));
  const std::string text = context.global.json ? to_line(core_json(*info)) : core_text(*info);
  if (auto printed = co_await io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const CoreSeekCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  auto here = co_await core->seek(command.bytes, Core::From::here);
  if (here) co_return co_await say_position(context, io, std::move(here), command);
  co_return co_await with_peer(context, command.peer, seek_and_say(context, *core, command, io));
}

asio::awaitable<Outcome> run(CommandContext& context, const CoreTruncateCommand& command, Io& io) {
  auto core = co_await find_core(context.node, command.core);
  if (!core) co_return no_such_core(core.error(), command.core);
  const auto truncated = co_await core->truncate(command.length, std::nullopt, Core::Safety::machine);
  if (!truncated) {
    if (truncated.error() == make_error_code(EngineErrc::out_of_range))
      co_return failed(exit_code::not_found, to_string(command.core) + " has fewer than " +
                                                 std::to_string(command.length.value) + " blocks");
    co_return failed(truncated.error(), to_string(command.core));
  }
  co_return co_await say_length(context, io, command.length);
}

}  // namespace sheaf::peer_node
