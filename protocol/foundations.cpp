// The few functions behind the value headers: hex, errors' words, and the end of a broken process.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf {

void broken_invariant(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "sheaf: broken invariant: %s (%s:%d)\n", what, file, line);
  std::abort();
}

std::string to_hex(Bytes bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    out += digits[std::to_integer<unsigned>(b) >> 4];
    out += digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

std::optional<Buffer> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  Buffer out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return out;
}

namespace {

class ProtocolCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sheaf.protocol"; }
  std::string message(int code) const override {
    switch (static_cast<ProtocolErrc>(code)) {
      case ProtocolErrc::malformed: return "malformed";
      case ProtocolErrc::invalid_proof: return "invalid proof";
      case ProtocolErrc::invalid_signature: return "invalid signature";
      case ProtocolErrc::invalid_manifest: return "invalid manifest";
      case ProtocolErrc::missing_node: return "tree node not held";
      case ProtocolErrc::wrong_fork: return "wrong fork";
      case ProtocolErrc::handshake_failed: return "handshake failed";
      case ProtocolErrc::decrypt_failed: return "decryption failed";
      case ProtocolErrc::refused: return "request refused";
      case ProtocolErrc::malformed_proof: return "malformed proof";
    }
    return "unknown protocol error";
  }
};

}  // namespace

const boost::system::error_category& protocol_category() noexcept {
  static const ProtocolCategory category;
  return category;
}

}  // namespace sheaf
