#include "sheaf/net/address.hpp"

#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address_v6.hpp>

#include "sheaf/net/error.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf {

namespace {

constexpr std::size_t address_bytes = 1'024;  // a key, a longest name, a port, and a path of some length
constexpr std::size_t command_bytes = 8'192;  // far less than a shell takes
constexpr std::size_t host_bytes = 253;       // as DNS has it

bool is_name_or_number(std::string_view host) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= host_bytes && std::all_of(host.begin(), host.end(), fits);
}

bool is_v6_number(std::string_view host) {
  if (host.empty() || host.size() > host_bytes) return false;
  boost::system::error_code error;
  boost::asio::ip::make_address_v6(std::string(host), error);
  return !error;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool is_path(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  Address out;
  if (constexpr std::string_view exec = "exec:"; text.starts_with(exec)) {
    out.scheme = Scheme::exec;
    out.command = text.substr(exec.size());
    const bool usable = !out.command.empty() && out.command.find('\0') == std::string::npos;
    if (!usable || out.command.size() > command_bytes) return NetErrc::bad_address;
    return out;
  }
  if (text.size() > address_bytes) return NetErrc::bad_address;
  if (text.starts_with("stdio:")) return NetErrc::scheme_not_available;
  if (text.starts_with("tcp://"))
    out.scheme = Scheme::tcp;
  else if (text.starts_with("ws://"))
    out.scheme = Scheme::ws;
  else
    return NetErrc::bad_address;
  text.remove_prefix(text.find("//") + 2);

  // A key may be a link with slashes of its own; else an @ behind a slash belongs to the path.
  const auto authority = text.starts_with("pear://") ? text : text.substr(0, text.find('/'));
  if (const auto at = authority.find('@'); at != text.npos) {
    out.key = key_from_text<PublicKey>(text.substr(0, at));
    if (!out.key) return NetErrc::bad_key;
    text.remove_prefix(at + 1);
  }
  if (const auto slash = text.find('/'); slash != text.npos) {
    out.path = text.substr(slash);
    text = text.substr(0, slash);
    if (out.scheme != Scheme::ws || !is_path(out.path)) return NetErrc::bad_address;
  }

  const bool bracketed = text.starts_with('[');
  const auto host_end = bracketed ? text.find(']') : text.find(':');
  if (host_end == text.npos) return bracketed ? NetErrc::bad_host : NetErrc::bad_port;
  const auto host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  if (bracketed ? !is_v6_number(host) : !is_name_or_number(host)) return NetErrc::bad_host;
  out.host = host;

  text.remove_prefix(bracketed ? host_end + 1 : host_end);
  if (!text.starts_with(':')) return NetErrc::bad_port;
  const auto port = port_of(text.substr(1));
  if (!port) return NetErrc::bad_port;
  out.port = *port;
  return out;
}

std::string to_string(const Address& address) {
  std::string out;
  switch (address.scheme) {
    case Scheme::tcp: out = "tcp://"; break;
    case Scheme::ws: out = "ws://"; break;
    case Scheme::exec: return "exec:" + address.command;
  }
  if (address.key) out.append(to_string(*address.key)).append("@");
  const bool brackets = address.host.find(':') != std::string::npos;
  if (brackets) out += '[';
  out += address.host;
  if (brackets) out += ']';
  out.append(":").append(std::to_string(address.port)).append(address.path);
  return out;
}

}  // namespace sheaf
