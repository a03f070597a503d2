#include "engine/peer_node/commands/entry_ref.hpp"

#include <algorithm>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/engine/bundle.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

bool is_link(std::string_view text) {
  constexpr std::size_t least_digits = 6;
  if (key_from_text<CoreKey>(text)) return true;
  return text.size() >= least_digits && text.size() <= 2 * CoreKey::size &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string link_digits(std::string_view text) {
  if (const auto key = key_from_text<CoreKey>(text)) return to_string(*key);
  return std::string(text);
}

std::optional<EntryRef> parse_entry_ref(const std::string& text) {
  if (!text.starts_with('{')) {
    const std::size_t at = text.rfind('@');
    if (at == std::string::npos || !is_link(std::string_view(text).substr(at + 1))) return EntryRef{text, {}};
    return EntryRef{text.substr(0, at), link_digits(std::string_view(text).substr(at + 1))};
  }
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) return std::nullopt;
  EntryRef ref{json["name"].get<std::string>(), {}};
  if (!json.contains("link")) return ref;
  if (!json["link"].is_string() || !is_link(json["link"].get<std::string>())) return std::nullopt;
  ref.link = link_digits(json["link"].get<std::string>());
  return ref;
}

Outcome not_an_entry(const std::string& text) {
  return failed(exit_code::wrong_usage,
                "not an entry (NAME, NAME@LINK, or JSON with a name): " + printable(text));
}

asio::awaitable<Result<std::vector<Archive>>> archives_of(CommandContext& context, const std::string& link,
                                                          std::optional<Length> checkout) {
  const auto keys = co_await context.node.archives();
  if (!keys) co_return keys.error();
  std::vector<Archive> out;
  for (const CoreKey& key : *keys) {
    if (!to_string(key).starts_with(link)) continue;
    auto archive = co_await context.node.archive(key);
    if (!archive) co_return archive.error();
    out.push_back(checkout ? archive->checkout(*checkout) : std::move(*archive));
  }
  co_return out;
}

asio::awaitable<Result<std::vector<Archive>>> archives_for(CommandContext& context, EntryRef& ref,
                                                           const Selection& selection) {
  if (!selection.link.empty()) ref.link = selection.link;
  auto archives = co_await archives_of(context, ref.link, selection.checkout);
  if (!archives || !archives->empty() || ref.link.empty() || !selection.link.empty()) co_return archives;
  co_return EngineErrc::not_found;
}

namespace {

// not_available where what is here does not tell.
asio::awaitable<Result<std::optional<Entry>>> look_up(CommandContext& context, Archive& archive,
                                                      const std::string& name, Core::From from) {
  auto entry = co_await within(context.timers, context.global.timeout, archive.entry(name, from));
  if (!entry || *entry) co_return entry;
  const auto info = co_await archive.info();
  if (!info) co_return info.error();
  if (info->version.value == 0) co_return EngineErrc::not_available;
  co_return entry;
}

// The same, at its peers.
asio::awaitable<Result<std::optional<Entry>>> look_up_at_peers(CommandContext& context, Archive& archive,
                                                               const std::string& name) {
  const auto where = co_await where_to_look(context, archive);
  if (!where) co_return where.error();
  if (*where == Core::From::here) co_return EngineErrc::not_available;
  auto entry = co_await look_up(context, archive, name, *where);
  // Its peers have not got it either.
  if (!entry && entry.error() == make_error_code(NetErrc::timed_out)) co_return EngineErrc::not_available;
  co_return entry;
}

}  // namespace

asio::awaitable<std::variant<Outcome, FoundEntry>> find_entry(CommandContext& context,
                                                              std::vector<Archive>& archives,
                                                              const std::string& name, Core::From from) {
  const std::string shown = printable(name);
  Core::From first = Core::From::here;
  if (archives.size() == 1 && from == Core::From::peers) {
    const auto info = co_await archives.front().info();
    if (!info) co_return failed(info.error(), shown);
    if (info->peers > 0) first = from;
  }
  const bool several = archives.size() > 1;
  bool unreadable = false;
  std::vector<FoundEntry> found;
  std::vector<Archive*> unknown;
  for (Archive& archive : archives) {
    auto entry = co_await look_up(context, archive, name, first);
    if (!entry && entry.error() == make_error_code(EngineErrc::not_available))
      unknown.push_back(&archive);
    else if (!entry && several && BundleList::why_left_out(entry.error()))
      unreadable = true;  // the others may have it
    else if (!entry)
      co_return cannot_be_read(entry.error(), shown);
    else if (*entry)
      found.push_back({std::move(archive), std::move(**entry)});
  }
  bool all_here = unknown.empty();
  if (found.empty() && first == Core::From::here && from == Core::From::peers) {
    all_here = true;
    for (Archive* archive : unknown) {
      auto entry = co_await look_up_at_peers(context, *archive, name);
      if (!entry && entry.error() == make_error_code(EngineErrc::not_available))
        all_here = false;
      else if (!entry && several && BundleList::why_left_out(entry.error()))
        unreadable = true;
      else if (!entry)
        co_return cannot_be_read(entry.error(), shown);
      else if (*entry)
        found.push_back({std::move(*archive), std::move(**entry)});
    }
  }
  if (found.size() == 1) co_return std::move(found.front());
  if (found.empty() && (!all_here || unreadable))
    co_return failed(exit_code::no_peer, shown + ": not among the entries that can be read here");
  if (found.empty()) co_return failed(exit_code::not_found, "no entry " + shown);
  std::string why = shown + ": several archives have it:";
  for (const FoundEntry& one : found)
    why += " " + printable(one.entry.name) + "@" + to_string(one.entry.link);
  co_return failed(exit_code::failed, why);
}

}  // namespace sheaf::peer_node
