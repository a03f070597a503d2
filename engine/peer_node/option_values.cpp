#include "engine/peer_node/option_values.hpp"

#include <charconv>

#include <CLI/CLI.hpp>

#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/usage.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

Address address_from(const std::string& text) {
  const auto address = parse_address(text);
  if (!address)
    throw WrongUsage("not an address that this version can use: " + text + ": " + address.error().message());
  return *address;
}

}  // namespace

std::uint64_t count_from(const std::string& text, const std::string& what) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max_wire_integer)
    throw WrongUsage(what + " is not a number from 0 to 2^53 - 1: " + text);
  return value;
}

std::vector<Address> addresses_from(const std::vector<std::string>& texts) {
  std::vector<Address> addresses;
  for (const auto& text : texts) {
    addresses.push_back(address_from(text));
    if (addresses.back().scheme == Scheme::exec) throw WrongUsage("a command cannot be listened on: " + text);
  }
  return addresses;
}

Address peer_from(const std::string& text) {
  Address address = address_from(text);
  if (address.port == 0 && address.scheme != Scheme::exec)
    throw WrongUsage("port 0 is only for listening: " + text);
  return address;
}

std::vector<Address> peers_from(const std::vector<std::string>& texts) {
  std::vector<Address> addresses;
  for (const auto& text : texts) addresses.push_back(peer_from(text));
  return addresses;
}

void add_selection(CLI::App& sub, RawSelection& raw) {
  sub.add_option("--link", raw.link, "The archive's key, or its first digits, 6 at least");
  sub.add_option("--checkout", raw.checkout, "The archive as it was at a version; takes --link")
      ->type_name("VERSION");
}

Selection selection_from(const RawSelection& raw) {
  Selection out;
  if (!raw.link.empty() && !is_link(raw.link))
    throw WrongUsage("--link is neither a key nor the first 6 or more digits of one: " + raw.link);
  if (!raw.link.empty()) out.link = link_digits(raw.link);
  if (raw.checkout.empty()) return out;
  if (raw.link.empty()) throw WrongUsage("--checkout is of one archive: give --link too");
  out.checkout = Length{count_from(raw.checkout, "--checkout")};
  if (out.checkout->value == 0) throw WrongUsage("versions begin with 1");
  return out;
}

std::string core_name_from(const std::string& text) {
  constexpr std::size_t most_bytes = 255;
  if (text.empty() || text.size() > most_bytes) throw WrongUsage("a core's name has 1 to 255 bytes");
  if (key_from_text<CoreKey>(text)) throw WrongUsage("a core's name cannot look like a key: " + text);
  for (const unsigned char c : text)
    if (c < 0x20 || c == 0x7f) throw WrongUsage("a core's name has no control characters");
  return text;
}

CoreRef core_ref(const std::string& text) {
  if (const auto key = key_from_text<CoreKey>(text)) return *key;
  return core_name_from(text);
}

std::string to_string(const CoreRef& core) {
  if (const auto* key = std::get_if<CoreKey>(&core)) return to_string(*key);
  return std::get<std::string>(core);
}

}  // namespace sheaf::peer_node
