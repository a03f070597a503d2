// Values that several commands take as arguments, from their texts. Each throws WrongUsage, naming the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "engine/peer_node/command.hpp"

namespace sheaf::peer_node {

// From 0 to 2^53 - 1. `what`: the argument, for the error.
std::uint64_t count_from(const std::string& text, const std::string& what);

// To be listened on.
std::vector<Address> addresses_from(const std::vector<std::string>& texts);
// To be dialled.
Address peer_from(const std::string& text);
std::vector<Address> peers_from(const std::vector<std::string>& texts);

// 1 to 255 bytes without control characters that are no key.
std::string core_name_from(const std::string& text);
// A key in any of its written forms, else a name.
CoreRef core_ref(const std::string& text);
// As error messages name it.
std::string to_string(const CoreRef& core);

// --link and --checkout.
struct RawSelection {
  std::string link, checkout;
};
// `raw` outlives the parsing.
void add_selection(CLI::App& sub, RawSelection& raw);
Selection selection_from(const RawSelection& raw);

}  // namespace sheaf::peer_node
