#include "engine/peer_node/commands/download_commands.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/follow_commands.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/options.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// Whether a peer was dialled for this, and is waited for.
enum class Wait { no, yes };

bool is_error(const Error& error, EngineErrc code) { return error == make_error_code(code); }

asio::awaitable<Outcome> fetch_core(CommandContext& context, Core& core, Wait wait) {
  const std::string name = to_string(core.key());
  if (wait == Wait::yes) {
    if (auto open = co_await wait_for_channel(context, core); !open)
      co_return failed(exit_code::no_peer, name + ": no peer has it: " + open.error().message());
  }
  if (auto downloaded = co_await download_all(context, core); !downloaded) {
    if (downloaded.error() != make_error_code(NetErrc::timed_out)) co_return failed(downloaded.error(), name);
    const auto info = co_await core.info();
    const std::uint64_t missing = info ? info->length.value - info->local.value : 0;
    if (info && info->frozen) co_return frozen(core.key());
    co_return failed(exit_code::no_peer, fmt::format("{}: {} blocks that no peer gave", name, missing));
  }
  const auto info = co_await core.info();
  if (info && info->frozen) co_return frozen(core.key());
  co_return Outcome{};
}

asio::awaitable<Outcome> fetch_core_of(CommandContext& context, const CoreKey& key, Wait wait) {
  auto core = co_await context.node.core(key);
  if (!core) co_return failed(core.error(), to_string(key));
  co_return co_await fetch_core(context, *core, wait);
}

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
    // Each entry may claim as many as can be counted.
    const Length of_entry = (*entry)->blocks - (*entry)->local;
    out.blocks.value = std::min(out.blocks.value + of_entry.value, max_wire_integer);
    out.mapped = out.mapped || (*entry)->mapped;
  }
}

// Everything that peers have of it; done once the whole db core is here and whatever current entries name.
asio::awaitable<Outcome> fetch_archive(CommandContext& context, Archive& archive, Wait wait) {
  const std::string name = to_string(archive.key());
  Outcome entries = co_await fetch_core_of(context, archive.key(), wait);
  if (entries.code != exit_code::done) co_return entries;
  const auto info = co_await archive.info();
  if (!info) co_return failed(info.error(), name);
  if (info->version <= Version{1}) co_return Outcome{};  // nothing was ever written
  const auto blobs = co_await within(context.timers, context.global.timeout, archive.blobs_key());
  if (!blobs) co_return cannot_be_read(blobs.error(), name);
  const Outcome contents = co_await fetch_core_of(context, *blobs, wait);
  // The peer may have dropped older blocks, which nothing names any more; and entries may name blocks behind
  // the end of what it has of the contents.
  const auto missing = co_await look_for_missing(archive);
  // Carried without its key: what its entries name is not to be seen here. If nobody has its contents either,
  // there may be none.
  if (!missing && is_error(missing.error(), EngineErrc::wrong_key)) {
    if (contents.code != exit_code::no_peer) co_return contents;
    co_return failed(contents.code, cannot_be_read(missing.error(), name).reason);
  }
  if (!missing) co_return failed(missing.error(), name);
  const bool fetched = contents.code == exit_code::done;
  if (missing->blocks.value == 0 && (fetched || !missing->mapped)) co_return Outcome{};
  const std::string why = fetched ? "its entries name them, and no peer has them" : contents.reason;
  // What this folder does not take is nobody else's fault.
  const int code = contents.code == exit_code::refused ? contents.code : exit_code::no_peer;
  co_return failed(code, fmt::format("{}: {} blocks are missing: {}", name, missing->blocks.value, why));
}

// -- One file.

asio::awaitable<Outcome> read_through(CommandContext& context, FileReader& reader, const std::string& shown) {
  for (;;) {
    const auto part = co_await within(context.timers, context.global.timeout, reader.next());
    if (!part) co_return failed(part.error(), shown);
    if (part->empty()) co_return Outcome{};
  }
}

asio::awaitable<Outcome> fetch_entry(CommandContext& context, const EntryRef& ref, Wait wait) {
  auto archives = co_await archives_of(context, ref.link, std::nullopt);
  if (!archives) co_return failed(archives.error(), printable(ref.name));
  // Only what is here can say which of several archives is meant.
  if (archives->size() == 1 && wait == Wait::yes) {
    auto db = co_await context.node.core(archives->front().key());
    if (!db) co_return failed(db.error(), to_string(archives->front().key()));
    if (auto open = co_await wait_for_channel(context, *db); !open)
      co_return failed(open.error(), to_string(db->key()));
  }
  auto looked = co_await find_entry(context, *archives, ref.name, Core::From::peers);
  if (auto* why = std::get_if<Outcome>(&looked)) co_return std::move(*why);
  FoundEntry& found = std::get<FoundEntry>(looked);
  const std::string shown = printable(found.entry.name);
  if (found.entry.type != EntryType::file) co_return Outcome{};
  // It refuses contents that can never be here as a whole.
  const ReadOptions options;
  auto reader =
      co_await within(context.timers, context.global.timeout, found.archive.read(found.entry.name, options));
  if (!reader) co_return failed(reader.error(), shown);
  const Entry& entry = reader->entry();
  if (entry.mapped) co_return co_await read_through(context, *reader, shown);
  const auto key = co_await within(context.timers, context.global.timeout, found.archive.blobs_key());
  if (!key) co_return failed(key.error(), shown);
  auto blobs = co_await context.node.core(*key);
  if (!blobs) co_return failed(blobs.error(), shown);
  const BlockIndex begin = entry.offset.block;
  if (auto fetched = co_await download(context, *blobs, {begin, begin + entry.blocks}); !fetched)
    co_return failed(fetched.error(), shown);
  co_return Outcome{};
}

// -- All of everything.

asio::awaitable<void> fetch_into(CommandContext& context, CoreKey key, bool is_archive, Wait wait,
                                 Outcome& worst) {
  Outcome one;
  if (is_archive) {
    auto archive = co_await context.node.archive(key);
    if (archive)
      one = co_await fetch_archive(context, *archive, wait);
    else
      one = failed(archive.error(), to_string(key));
  } else {
    one = co_await fetch_core_of(context, key, wait);
  }
  if (worst.code == exit_code::done) worst = std::move(one);
}

asio::awaitable<Outcome> fetch_everything(CommandContext& context, Wait wait) {
  const auto cores = co_await context.node.cores();
  if (!cores) co_return failed(cores.error(), context.global.folder);
  Outcome worst;
  Tasks tasks(co_await asio::this_coro::executor);
  for (const CoreInfo& core : *cores) {
    const bool is_archive = core.archive == core.key;
    // What is written here is all here; a blobs core comes with its archive.
    if (core.writable || (core.archive && !is_archive)) continue;
    tasks.start(fetch_into(context, core.key, is_archive, wait, worst));
  }
  co_await tasks.join_or_cancel();
  co_return worst;
}

asio::awaitable<Outcome> fetch(CommandContext& context, const std::string& what, Wait wait) {
  if (what.empty()) co_return co_await fetch_everything(context, wait);
  const auto key = key_from_text<CoreKey>(what);
  if (key) {
    auto archive = co_await context.node.archive(*key);
    if (archive) co_return co_await fetch_archive(context, *archive, wait);
    if (!is_error(archive.error(), EngineErrc::not_found)) co_return failed(archive.error(), what);
    auto core = co_await context.node.core(*key);
    if (!core) co_return no_such_core(core.error(), *key);
    co_return co_await fetch_core(context, *core, wait);
  }
  auto core = co_await context.node.core(what);
  if (core) co_return co_await fetch_core(context, *core, wait);
  if (!is_error(core.error(), EngineErrc::not_found)) co_return failed(core.error(), printable(what));
  const auto archives = co_await context.node.archives();
  if (archives && archives->empty()) co_return no_such_core(core.error(), what);
  const auto ref = parse_entry_ref(what);
  if (!ref)
    co_return failed(exit_code::wrong_usage,
                     "not an entry (NAME, NAME@LINK, or JSON with a name): " + printable(what));
  co_return co_await fetch_entry(context, *ref, wait);
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const CloneCommand& command, Io& io) {
  Outcome added = co_await run(context, command.add, io);
  if (added.code != exit_code::done) co_return added;
  auto archive = co_await context.node.archive(command.add.key);
  if (!archive) co_return failed(archive.error(), to_string(command.add.key));
  co_return co_await with_progress(
      context, io, with_peer(context, command.peer, fetch_archive(context, *archive, Wait::yes)));
}

asio::awaitable<Outcome> run(CommandContext& context, const DownloadCommand& command, Io& io) {
  const Wait wait = command.peer ? Wait::yes : Wait::no;
  co_return co_await with_progress(context, io,
                                   with_peer(context, command.peer, fetch(context, command.what, wait)));
}

}  // namespace sheaf::peer_node
