#include "engine/peer_node/commands/store_commands.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/store_support.hpp"
#include "engine/peer_node/commands/value_json.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/error.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

Outcome no_such_value(const std::string& key) {
  return failed(exit_code::not_found, "no value " + printable(key));
}

asio::awaitable<Result<Buffer>> value_from_input(CommandContext& context, Io& io) {
  return read_all(io, context.store.limits().value_bytes);
}

Result<bool> holds(Router& store, Bytes key) {
  const ValueRange only({.gte = key, .lte = key, .keys_only = true});
  auto cursor = store.iterate(only.stored());
  if (!cursor) return {boost::system::in_place_error, cursor.error()};
  return (*cursor)->next();
}

std::string copy_line(const FoundCopy& copy) {
  Json json{{"store", copy.store}, {"version", copy.version}, {"current", copy.current}};
  json["length"] = copy.value.size();
  add_bytes(json, "value", copy.value);
  return to_line(json);
}

asio::awaitable<Outcome> print_copies(CommandContext& context, const std::string& key, Io& io) {
  const Buffer stored = value_key(as_bytes(key));
  auto work = [&] { return context.store.get_all(stored); };
  auto copies = co_await offload(*context.environment.pool, work);
  if (!copies && copies.error() == make_error_code(StorageErrc::not_found)) co_return no_such_value(key);
  if (!copies) co_return store_failed(context, copies.error(), printable(key));
  for (const FoundCopy& copy : *copies) {
    std::string line = copy_line(copy);
    if (auto printed = co_await io.print(std::move(line)); !printed)
      co_return failed(printed.error(), "stdout");
  }
  co_return Outcome{};
}

// -- list.

std::string entry_text(const RouterCursor& entry, bool values, bool json) {
  const Bytes key = *key_of_value(entry.key());
  if (!json) {
    const std::string stores = fmt::format("{}", fmt::join(entry.stores(), ","));
    std::string row = fmt::format("{:>14}  {:<16}  {}", entry.length(), stores, printable(as_text(key)));
    return values ? row + "  " + printable(as_text(entry.value())) : row;
  }
  Json one;
  add_bytes(one, "key", key);
  one["length"] = entry.length();
  one["stores"] = entry.stores();
  if (values) add_bytes(one, "value", entry.value());
  return to_line(one);
}

// So much of a list as is printed at once.
struct Page {
  std::string text;
  std::vector<std::string> unreadable;  // keys, and why
  bool ended = false;
};

Result<Page> next_page(Router& store, RouterCursor& entries, const StoreListCommand& command, bool json) {
  constexpr std::size_t page_bytes = 64 * 1024;
  Page page;
  while (page.text.size() < page_bytes && page.unreadable.size() < 100) {
    const auto more = entries.next();
    if (!more) {
      const auto key = key_of_value(entries.key());
      if (!key) return more.error();
      page.unreadable.push_back(printable(as_text(*key)) + ": " + more.error().message() + " (" +
                                printable(store.trouble()) + ")");
      continue;
    }
    if (!*more) {
      page.ended = true;
      break;
    }
    page.text += entry_text(entries, command.values, json);
    page.text += '\n';
  }
  return page;
}

asio::awaitable<Outcome> print_entries(CommandContext& context, RouterCursor& entries,
                                       const StoreListCommand& command, Io& io) {
  std::size_t unreadable = 0;
  for (bool ended = false; !ended;) {
    auto work = [&] { return next_page(context.store, entries, command, context.global.json); };
    auto page = co_await offload(*context.environment.pool, work);
    if (!page) co_return store_failed(context, page.error(), context.global.folder);
    for (const std::string& why : page->unreadable) co_await io.say("sheaf: " + why);
    unreadable += page->unreadable.size();
    ended = page->ended;
    if (page->text.empty()) continue;
    if (auto written = co_await io.write(as_bytes(page->text)); !written)
      co_return failed(written.error(), "stdout");
  }
  if (unreadable > 0)
    co_return failed(exit_code::integrity,
                     fmt::format("{} values cannot be read and are left out", unreadable));
  co_return Outcome{};
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const StorePutCommand& command, Io& io) {
  const std::string shown = printable(command.key);
  const auto value = co_await value_from_input(context, io);
  if (!value) co_return failed(value.error(), shown);
  const Buffer key = value_key(as_bytes(command.key));
  auto work = [&]() -> Result<void> {
    if (auto able = make_writable(context.store); !able) return able;
    return context.store.put(key, *value, {}, Durable::yes);
  };
  if (auto kept = co_await offload(*context.environment.pool, work); !kept)
    co_return store_failed(context, kept.error(), shown);
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const StorePostCommand&, Io& io) {
  const auto value = co_await value_from_input(context, io);
  if (!value) co_return failed(value.error(), "stdin");
  auto work = [&]() -> Result<Buffer> {
    if (auto able = make_writable(context.store); !able) return able.error();
    return context.store.post(*value, {}, Durable::yes);
  };
  const auto stored = co_await offload(*context.environment.pool, work);
  if (!stored) co_return store_failed(context, stored.error(), "stdin");
  const std::string key(as_text(*key_of_value(*stored)));
  const Json json{{"key", key}};
  std::string line = context.global.json ? to_line(json) : key;
  if (auto printed = co_await io.print(std::move(line)); !printed)
    co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const StoreGetCommand& command, Io& io) {
  if (command.all) co_return co_await print_copies(context, command.key, io);
  const Buffer key = value_key(as_bytes(command.key));
  Buffer value;
  auto work = [&] { return context.store.get(key, value); };
  const auto got = co_await offload(*context.environment.pool, work);
  if (!got && got.error() == make_error_code(StorageErrc::not_found)) co_return no_such_value(command.key);
  if (!got) co_return store_failed(context, got.error(), printable(command.key));
  if (auto written = co_await io.write(value); !written) co_return failed(written.error(), "stdout");
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const StoreDelCommand& command, Io&) {
  const Bytes key = as_bytes(command.key);
  auto work = [&]() -> Result<bool> {
    if (auto able = make_writable(context.store); !able) return {boost::system::in_place_error, able.error()};
    auto there = holds(context.store, key);
    if (!there || !*there) return there;
    const auto gone = context.store.del(value_key(key), Durable::yes);
    return gone ? there : Result<bool>(boost::system::in_place_error, gone.error());
  };
  const auto gone = co_await offload(*context.environment.pool, work);
  if (!gone) co_return store_failed(context, gone.error(), printable(command.key));
  if (!*gone) co_return no_such_value(command.key);
  co_return Outcome{};
}

asio::awaitable<Outcome> run(CommandContext& context, const StoreListCommand& command, Io& io) {
  const ValueRange range({.gt = as_bytes(command.gt),
                          .gte = as_bytes(command.gte),
                          .lt = as_bytes(command.lt),
                          .lte = as_bytes(command.lte),
                          .reverse = command.reverse,
                          .keys_only = !command.values,
                          .limit = command.limit.value_or(UINT64_MAX)});
  auto work = [&] { return context.store.entries(range.stored()); };
  auto entries = co_await offload(*context.environment.pool, work);
  if (!entries) co_return store_failed(context, entries.error(), context.global.folder);
  co_return co_await print_entries(context, **entries, command, io);
}

asio::awaitable<Outcome> run(CommandContext& context, const StoreExplainCommand&, Io& io) {
  const auto value = co_await value_from_input(context, io);
  if (!value) co_return failed(value.error(), "stdin");
  const Traits traits{.role = Traits::Role::value, .size = value->size()};
  auto work = [&] { return context.store.explain(*value, traits); };
  const auto explained = co_await offload(*context.environment.pool, work);
  if (!explained) co_return store_failed(context, explained.error(), "stdin");
  const Json json{{"stores", explained->stores}, {"why", explained->why}};
  std::string line = context.global.json
                         ? to_line(json)
                         : fmt::format("{}: {}", fmt::join(explained->stores, ", "), explained->why);
  if (auto printed = co_await io.print(std::move(line)); !printed)
    co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
