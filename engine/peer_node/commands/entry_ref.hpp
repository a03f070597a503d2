// ENTRY, as users name one: a line of `list --json`, NAME@LINK, or NAME where only one archive has it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

// A name, and what the archive's key begins with; no link: any archive.
struct EntryRef {
  std::string name;
  std::string link;
  bool operator==(const EntryRef&) const = default;
};

// Whether it can be LINK: a key in any of its forms, or its first digits, 6 at least.
bool is_link(std::string_view text);
// Requires: is_link(). As hex digits.
std::string link_digits(std::string_view text);

// What the text says by itself; nothing where it begins like JSON and is no object with a name.
std::optional<EntryRef> parse_entry_ref(const std::string& text);

Outcome not_an_entry(const std::string& text);

struct FoundEntry {
  Archive archive;
  Entry entry;
};

// The archives that an entry may be in: those whose key begins with the link, or all.
boost::asio::awaitable<Result<std::vector<Archive>>> archives_of(CommandContext& context,
                                                                 const std::string& link,
                                                                 std::optional<Length> checkout);

// The archives to look into for what the user named; --link wins over what the entry says, and `ref` is told.
// not_found where the entry names one that is not here.
boost::asio::awaitable<Result<std::vector<Archive>>> archives_for(CommandContext& context, EntryRef& ref,
                                                                  const Selection& selection);

// The one archive that has it. With `from` peers, they are asked where nothing here has it and not all that
// could is here; of a single archive that has peers, what they say is newer goes before what is here. Else an
// outcome that says why not: 3 not found, 1 with the candidates, 6 not all of it is here.
boost::asio::awaitable<std::variant<Outcome, FoundEntry>> find_entry(CommandContext& context,
                                                                     std::vector<Archive>& archives,
                                                                     const std::string& name,
                                                                     Core::From from);

}  // namespace sheaf::peer_node
