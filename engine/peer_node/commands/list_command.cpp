#include "engine/peer_node/commands/list_command.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/left_out.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "sheaf/engine/bundle.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

std::string entry_row(const Entry& entry) {
  const std::string length = entry.length ? std::to_string(entry.length->value) : "?";
  std::string row =
      fmt::format("{:>14}  {:>8}  {}  {}", entry.type == EntryType::file ? length : "-", entry.version.value,
                  to_string(entry.link).substr(0, 8), printable(entry.name));
  if (entry.type == EntryType::symlink) row += " -> " + printable(entry.linkname);
  return row;
}

asio::awaitable<Result<void>> print_entry(CommandContext& context, Io& io, const Entry& entry) {
  std::string line = context.global.json ? entry_line(entry) : entry_row(entry);
  co_return co_await io.print(std::move(line));
}

// What was left out, once each; `said` of them were told before.
asio::awaitable<void> say_incomplete(const BundleList& list, std::size_t& said, Io& io) {
  for (; said < list.incomplete().size(); ++said) {
    const BundleList::Incomplete one = list.incomplete()[said];
    co_await io.say("sheaf: " + to_string(one.link) + ": " + std::string(to_string(one.why)));
  }
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const ListCommand& command, Io& io) {
  auto archives = co_await archives_of(context, command.selection.link, command.selection.checkout);
  if (!archives) co_return failed(archives.error(), context.global.folder);
  if (archives->empty() && !command.selection.link.empty())
    co_return failed(exit_code::not_found, "no archive " + command.selection.link + " in this folder");
  BundleListOptions options;
  options.prefix = command.prefix;
  options.live = command.live;
  const bool only_these = !command.selection.link.empty();
  auto list = co_await BundleList::open(context.node, std::move(*archives), options, only_these);
  if (!list) co_return failed(list.error(), printable(command.prefix));
  std::size_t said = 0;
  co_await say_incomplete(*list, said, io);
  for (;;) {
    auto entry = co_await list->next();
    if (!entry) co_return failed(entry.error(), context.global.folder);
    co_await say_incomplete(*list, said, io);
    if (!*entry) break;
    if (auto printed = co_await print_entry(context, io, **entry); !printed)
      co_return failed(printed.error(), "stdout");
  }
  for (const BundleList::Incomplete& one : list->incomplete()) {
    const bool asked_for = only_these && one.why == BundleList::Incomplete::Why::no_key;
    if (asked_for || one.why == BundleList::Incomplete::Why::malformed)
      co_return failed(exit_code_of(one.why), to_string(one.link) + ": left out");
  }
  if (list->unreadable() > 0)
    co_return failed(exit_code::integrity,
                     fmt::format("{} entries cannot be read and are left out", list->unreadable()));
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
