#include "sheaf/protocol/key_text.hpp"

#include <array>

namespace sheaf {

namespace {

constexpr std::string_view digits = "ybndrfg8ejkmcpqxot1uwisza345h769";
constexpr std::size_t key_bytes = 32;
constexpr std::size_t key_z_base_32_digits = 52;
constexpr std::string_view link_prefix = "pear://";

constexpr std::uint8_t no_digit = 0xff;

constexpr auto digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

// Requires: 52 characters, that is 260 bits; the last four have to be zero.
std::optional<Buffer> from_z_base_32(std::string_view text) {
  Buffer out;
  out.reserve(key_bytes);
  unsigned bits = 0;  // not yet given out, the lowest `held` of them
  unsigned held = 0;
  for (const char c : text) {
    const std::uint8_t value = digit_values[static_cast<unsigned char>(c)];
    if (value == no_digit) return std::nullopt;
    bits = (bits << 5 | value) & 0xfffu;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<std::byte>(bits >> held & 0xffu));
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace

std::optional<Buffer> key_bytes_from_text(std::string_view text) {
  if (text.starts_with(link_prefix)) {
    text.remove_prefix(link_prefix.size());
    text = text.substr(0, text.find('/'));
  }
  if (text.size() == key_z_base_32_digits) return from_z_base_32(text);
  if (text.size() == 2 * key_bytes) return from_hex(text);
  return std::nullopt;
}

std::string to_z_base_32(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  unsigned bits = 0;
  unsigned held = 0;
  for (const std::byte b : bytes) {
    bits = (bits << 8 | std::to_integer<unsigned>(b)) & 0xfffu;
    held += 8;
    for (; held >= 5; held -= 5) out += digits[bits >> (held - 5) & 31u];
  }
  if (held > 0) out += digits[bits << (5 - held) & 31u];
  return out;
}

}  // namespace sheaf
