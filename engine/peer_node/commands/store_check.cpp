#include "engine/peer_node/commands/store_check.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/commands/store_support.hpp"
#include "engine/peer_node/commands/value_json.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

using Kind = RouterFinding::Kind;

// So many keys a call, so that signals and other commands are not kept waiting.
constexpr std::uint64_t keys_a_page = 64;

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::missing_copy: return "missing_copy";
    case Kind::damaged_copy: return "damaged_copy";
    case Kind::unreadable: return "unreadable";
    case Kind::no_good_copy: return "no_good_copy";
    case Kind::orphan_copy: return "orphan_copy";
    case Kind::damaged_entry: return "damaged_entry";
    case Kind::misplaced: return "misplaced";
  }
  return "unknown";
}

// The members that say what was found wrong: a value's key, a block of a core, or a key that only the store
// knows.
void add_what(Json& json, const RouterFinding& finding) {
  if (finding.kind != Kind::orphan_copy) {
    if (const auto key = key_of_value(finding.key)) return add_bytes(json, "key", *key);
    if (const auto block = block_of_key(finding.key)) {
      json["core"] = block->core;
      json["block"] = block->index;
      return;
    }
  }
  if (!finding.key.empty()) json["stored_key_hex"] = to_hex(finding.key);
}

std::string what_of(const RouterFinding& finding) {
  if (finding.key.empty()) return "the store";
  if (finding.kind != Kind::orphan_copy) {
    if (const auto key = key_of_value(finding.key)) return "value " + printable(as_text(*key));
    if (const auto block = block_of_key(finding.key))
      return fmt::format("block {} of the folder's core {}", block->index, block->core);
  }
  return "stored key " + to_hex(finding.key);
}

std::string finding_line(const RouterFinding& finding, bool json) {
  if (!json)
    return fmt::format("{:<13}  {:<10}  {}{}", name_of(finding.kind), printable(finding.store),
                       what_of(finding), finding.mended ? "  (mended)" : "");
  Json one{{"finding", name_of(finding.kind)}, {"store", finding.store}};
  add_what(one, finding);
  one["mended"] = finding.mended;
  return to_line(one);
}

struct Sums {
  std::uint64_t keys = 0, copies = 0, stored = 0, findings = 0, mended = 0, wrong = 0;
  std::uint64_t not_moved = 0;

  void add(const CheckReport& page) {
    keys += page.keys;
    copies += page.copies;
    stored += page.stored;
    for (const RouterFinding& finding : page.findings) {
      ++findings;
      if (finding.mended) ++mended;
      if (!finding.mended) ++(finding.kind == Kind::misplaced ? not_moved : wrong);
    }
  }
  std::string line(bool json) const {
    const Json one{
        {"keys", keys}, {"copies", copies}, {"findings", findings}, {"mended", mended}, {"wrong", wrong}};
    return json ? to_line(one)
                : fmt::format("{} keys, {} copies: {} findings, {} mended, {} wrong", keys, copies, findings,
                              mended, wrong);
  }
};

asio::awaitable<Outcome> check_all(CommandContext& context, const StoreCheckCommand& command, Sums& sums,
                                   Io& io) {
  CheckOptions options{.repair = command.repair, .rebalance = command.rebalance, .most = keys_a_page};
  do {
    if (co_await was_cancelled()) co_return failed(cancelled_error(), "check");
    auto work = [&] { return context.store.check(options); };
    auto page = co_await offload(*context.environment.pool, work);
    if (!page) co_return store_failed(context, page.error(), context.global.folder);
    sums.add(*page);
    for (const RouterFinding& finding : page->findings) {
      std::string line = finding_line(finding, context.global.json);
      if (auto printed = co_await io.print(std::move(line)); !printed)
        co_return failed(printed.error(), "stdout");
    }
    options.after = std::move(page->next);
  } while (options.after);
  std::string line = sums.line(context.global.json);
  if (auto printed = co_await io.print(std::move(line)); !printed)
    co_return failed(printed.error(), "stdout");
  if (sums.wrong > 0)
    co_return failed(exit_code::integrity, fmt::format("{} of what was checked is wrong", sums.wrong));
  if (sums.not_moved > 0)
    co_return failed(exit_code::failed, fmt::format("{} values could not be moved", sums.not_moved));
  co_return Outcome{};
}

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const StoreCheckCommand& command, Io& io) {
  if (command.rebuild_root) {
    if (!context.root_rebuilt)
      co_return failed(exit_code::failed,
                       context.global.folder.string() + ": its root is there; only a lost one is made again");
    const Json json{{"rebuilt", *context.root_rebuilt}};
    std::string line = context.global.json
                           ? to_line(json)
                           : fmt::format("the root was made again with {} values", *context.root_rebuilt);
    if (auto printed = co_await io.print(std::move(line)); !printed)
      co_return failed(printed.error(), "stdout");
  }
  Sums sums;
  const auto line = [&sums] {
    return sums.stored == 0 ? fmt::format("checked {} keys", sums.keys)
                            : fmt::format("checked {} keys, {} stored copies", sums.keys, sums.stored);
  };
  co_return co_await with_progress(context, io, check_all(context, command, sums, io), line);
}

}  // namespace sheaf::peer_node
