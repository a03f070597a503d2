// What one `sheaf` process says to another over DIR/control, byte by byte.
//
// The visitor sends one handover: 12 bytes of head (the magic "SHFC", version 1, the body's size; integers
// are 32 bits, little-endian), with its three standard descriptors attached, then the body: umask, working
// folder, arguments, environment. After that both sides send notices of 8 bytes each: the holder `accepted`,
// then `exited` with a code or `released` (run it yourself); the visitor `signal` with its number. A
// visitor that closes the connection has cancelled its command.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/peer_node/surroundings.hpp"
#include "sheaf/protocol/bytes.hpp"

namespace sheaf::peer_node {

struct Handover {
  std::vector<std::string> arguments;
  Surroundings around;
  bool operator==(const Handover&) const = default;
};

inline constexpr std::size_t handover_head_bytes = 12;
// Twice what Linux lets a whole command line be by default would be 4 MiB; ours are short.
inline constexpr std::size_t handover_body_most_bytes = 1024 * 1024;
inline constexpr std::size_t handover_most_texts = 4096;  // arguments; and as many variables

// Head and body. Nothing when it would be beyond the bounds.
std::optional<Buffer> encode_handover(const Handover& handover);

// The body's size that a head announces, nothing when it is no head of ours or announces too much.
std::optional<std::size_t> body_size_of(Bytes head);
std::optional<Handover> decode_handover(Bytes body);

struct Notice {
  enum class Kind : std::uint32_t { accepted = 1, exited = 2, released = 3, signal = 4 };
  Kind kind;
  std::int32_t value = 0;  // of exited: the exit code; of signal: its number
  bool operator==(const Notice&) const = default;
};

inline constexpr std::size_t notice_bytes = 8;
std::array<std::byte, notice_bytes> encode_notice(const Notice& notice);
std::optional<Notice> decode_notice(Bytes bytes);

}  // namespace sheaf::peer_node
