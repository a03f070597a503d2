// The messages of a hypercore/alpha channel as plain values, and the handshake that opens it.
//
// Format: docs/wire.md, Replication; vectors wire/messages.json. decode_x() reads one body: unknown
// flags and bytes behind the last field are ignored. Its error is ProtocolErrc::malformed where a field does
// not fit or a number is out of its range (session ends malformed_message), ProtocolErrc::malformed_proof
// where a proof has more nodes or a larger manifest than Limits allow (malformed_proof): found before
// anything is hashed or allocated for it. Sums (index + 1, start + length, twice a block index) stay on the
// wire's integers. Views in a decoded message (block value, signature, manifest, words, payload) live as long
// as the body.
#pragma once

#include <string_view>

#include "protocol/codec.hpp"
#include "protocol/proof.hpp"
#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/limits.hpp"

namespace sheaf {

inline constexpr std::string_view core_protocol = "hypercore/alpha";

// A message's place in the protocol's list is its type on the channel; others are ignored.
enum class MessageType : std::uint8_t {
  sync,
  request,
  cancel,
  data,
  no_data,
  want,
  unwant,
  bitfield,
  range,
  extension
};
inline constexpr std::uint64_t message_types = 10;

struct ChannelHandshake {
  bool seeks = true;
  Hash capability{};
};

struct SyncMessage {
  Fork fork{};
  Length length{};
  Length remote_length{};  // the receiver's, as its sender last heard it; 0 where the forks differ
  bool can_upgrade = false;
  bool uploading = true;
  bool downloading = true;
  bool has_manifest = false;
  bool allow_push = false;
  bool operator==(const SyncMessage&) const = default;
};

struct Request {
  std::uint64_t id{};  // from 1; 0 is the conflict check, which occupies no slot
  Fork fork{};
  ProofRequest proof{};
  bool manifest = false;
  std::uint64_t priority{};  // 0 normal, 1 high, 2 very high
  bool operator==(const Request&) const = default;
};

struct Cancel {
  std::uint64_t request{};
};

struct Data {
  std::uint64_t request{};  // 0: unsolicited, or of the conflict check
  Fork fork{};
  Proof proof{};
  Bytes manifest{};  // encoded, spec: docs/wire.md, Log; empty: absent
};

// The reasons a JavaScript peer knows; others pass as they are.
enum class NoDataReason : std::uint64_t { none = 0, not_available = 1, invalid_request = 2 };

struct NoData {
  std::uint64_t request{};
  NoDataReason reason = NoDataReason::none;
};

struct Want {
  BlockIndex start{};
  Length length{};
  bool any = false;  // one set block of the interval is answer enough
};

struct Unwant {
  BlockIndex start{};
  Length length{};
  bool any = false;
};

struct BitfieldMessage {
  BlockIndex start{};
  Bytes words{};  // 32 bits each, little endian, the first block in the lowest bit
  std::size_t word_count() const { return words.size() / 4; }
  std::uint32_t word(std::size_t i) const;  // Requires: i < word_count()
};

struct RangeMessage {
  bool drop = false;
  BlockIndex start{};
  Length length{};
};

struct Extension {
  std::string_view name{};  // empty: the sender's previous one on this channel
  Bytes payload{};
};

Result<ChannelHandshake> decode_channel_handshake(Bytes body);
Result<SyncMessage> decode_sync(Bytes body);
Result<Request> decode_request(Bytes body);
Result<Cancel> decode_cancel(Bytes body);
Result<Data> decode_data(Bytes body, const Limits& limits);
Result<NoData> decode_no_data(Bytes body);
Result<Want> decode_want(Bytes body);
Result<Unwant> decode_unwant(Bytes body);
Result<BitfieldMessage> decode_bitfield(Bytes body);
Result<RangeMessage> decode_range(Bytes body);
Result<Extension> decode_extension(Bytes body);

void encode(Writer& out, const ChannelHandshake& message);
void encode(Writer& out, const SyncMessage& message);
void encode(Writer& out, const Request& message);
void encode(Writer& out, const Cancel& message);
void encode(Writer& out, const Data& message);
void encode(Writer& out, const NoData& message);
void encode(Writer& out, const Want& message);
void encode(Writer& out, const Unwant& message);
void encode(Writer& out, const BitfieldMessage& message);
void encode(Writer& out, const RangeMessage& message);
void encode(Writer& out, const Extension& message);

// A data message around a block that lies in its frame already: the head is what comes before the block's
// bytes (value.size() counts, the bytes are not read), at most data_head_most bytes, fit for
// OutgoingFrame::prepend; the tail is what comes behind. Requires: message.proof.block.
inline constexpr std::size_t data_head_most = 1 + 4 * 9;
void encode_head(Writer& out, const Data& message);
void encode_tail(Writer& out, const Data& message);

}  // namespace sheaf
