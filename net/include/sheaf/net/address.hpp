// Where a peer is: tcp://[KEY@]HOST:PORT, ws://[KEY@]HOST:PORT[/PATH], or a command whose standard input and
// output lead to it, exec:COMMAND.
//
// KEY is the peer's public key in any form of key_text.hpp, HOST a name, an IPv4 number, or an IPv6 number in
// brackets. A whole address has at most 1,024 bytes, a command 8,192.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf {

enum class Scheme {
  tcp,
  ws,
  exec,
};

struct Address {
  Scheme scheme = Scheme::tcp;
  std::optional<PublicKey> key{};  // whom we expect; anybody if absent
  std::string host{};              // without brackets
  std::uint16_t port = 0;          // 0 only where one listens: any free one
  std::string path{};              // of ws: empty, or begins with /
  std::string command{};           // of exec, which has nothing else: as a shell takes it
  bool operator==(const Address&) const = default;
};

// NetErrc::bad_address, bad_host, bad_port, bad_key; scheme_not_available for stdio:.
Result<Address> parse_address(std::string_view text);

// As parse_address reads it, the key as hex.
std::string to_string(const Address& address);

}  // namespace sheaf
