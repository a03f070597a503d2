#include "engine/peer_node/handover.hpp"

#include <cstring>

namespace sheaf::peer_node {
namespace {

constexpr std::string_view magic = "SHFC";
constexpr std::uint32_t version = 1;

void put(Buffer& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

void put(Buffer& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  append(out, as_bytes(text));
}

// Reads from the front of what is left; once something did not fit, nothing more is read.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  std::uint32_t number() {
    if (rest_.size() < 4) return fail();
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(rest_[i]) << (8 * i);
    rest_ = rest_.subspan(4);
    return value;
  }

  std::string text() {
    const std::size_t size = number();
    if (size > rest_.size()) {
      fail();
      return {};
    }
    std::string out(as_text(rest_.first(size)));
    rest_ = rest_.subspan(size);
    // The system ends its texts with a zero: one inside would be cut off there.
    if (out.find('\0') != std::string::npos) fail();
    return out;
  }

  // A number of texts that can still follow.
  std::size_t count() {
    const std::size_t value = number();
    if (value > handover_most_texts || value > rest_.size() / 4) return fail();
    return value;
  }

  bool whole() const { return good_ && rest_.empty(); }
  bool good() const { return good_; }

 private:
  std::uint32_t fail() {
    good_ = false;
    rest_ = {};
    return 0;
  }

  Bytes rest_;
  bool good_ = true;
};

}  // namespace

std::optional<Buffer> encode_handover(const Handover& handover) {
  if (handover.arguments.size() > handover_most_texts ||
      handover.around.environment.size() > handover_most_texts)
    return std::nullopt;
  Buffer body;
  put(body, static_cast<std::uint32_t>(handover.around.file_mask));
  put(body, handover.around.working_folder.native());
  put(body, static_cast<std::uint32_t>(handover.arguments.size()));
  for (const auto& argument : handover.arguments) put(body, argument);
  put(body, static_cast<std::uint32_t>(handover.around.environment.size()));
  for (const auto& [name, value] : handover.around.environment) {
    put(body, name);
    put(body, value);
  }
  if (body.size() > handover_body_most_bytes) return std::nullopt;
  Buffer frame;
  append(frame, as_bytes(magic));
  put(frame, version);
  put(frame, static_cast<std::uint32_t>(body.size()));
  append(frame, body);
  return frame;
}

std::optional<std::size_t> body_size_of(Bytes head) {
  if (head.size() != handover_head_bytes || as_text(head.first(4)) != magic) return std::nullopt;
  Reader reader(head.subspan(4));
  const std::uint32_t said_version = reader.number();
  const std::uint32_t size = reader.number();
  if (said_version != version || size > handover_body_most_bytes) return std::nullopt;
  return size;
}

std::optional<Handover> decode_handover(Bytes body) {
  Reader reader(body);
  Handover handover;
  handover.around.file_mask = static_cast<mode_t>(reader.number());
  handover.around.working_folder = reader.text();
  const std::size_t arguments = reader.count();
  for (std::size_t i = 0; i < arguments && reader.good(); ++i) handover.arguments.push_back(reader.text());
  const std::size_t variables = reader.count();
  for (std::size_t i = 0; i < variables && reader.good(); ++i) {
    std::string name = reader.text();
    handover.around.environment[std::move(name)] = reader.text();
  }
  if (!reader.whole() || handover.around.file_mask > 07777 || !handover.around.working_folder.is_absolute())
    return std::nullopt;
  return handover;
}

std::array<std::byte, notice_bytes> encode_notice(const Notice& notice) {
  Buffer out;
  put(out, static_cast<std::uint32_t>(notice.kind));
  put(out, static_cast<std::uint32_t>(notice.value));
  std::array<std::byte, notice_bytes> bytes;
  std::memcpy(bytes.data(), out.data(), notice_bytes);
  return bytes;
}

std::optional<Notice> decode_notice(Bytes bytes) {
  if (bytes.size() != notice_bytes) return std::nullopt;
  Reader reader(bytes);
  const std::uint32_t kind = reader.number();
  const auto value = static_cast<std::int32_t>(reader.number());
  if (kind < static_cast<std::uint32_t>(Notice::Kind::accepted) ||
      kind > static_cast<std::uint32_t>(Notice::Kind::signal))
    return std::nullopt;
  return Notice{static_cast<Notice::Kind>(kind), value};
}

}  // namespace sheaf::peer_node
