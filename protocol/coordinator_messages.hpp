// The messages of a coordinator channel as plain values, and the handshake that opens it.
//
// Format: docs/protocol.md; vectors coordinator/vectors.json. decode_x() reads one body: unknown flags and
// bytes behind the last field are ignored. Its one error is ProtocolErrc::malformed, for a field that does
// not fit, a number out of its range, or more elements than the format's bounds below: found before anything
// is allocated for them. What a decoded message holds is its own, but for the text of a Bye and the addresses
// of Peers, which view the body.
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/codec.hpp"
#include "protocol/slot_prefix.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::coordinator {

inline constexpr std::string_view protocol_name = "sheaf/coordinator";
inline constexpr std::uint64_t protocol_version = 1;

// Bounds of the format (C2): a body beyond one of them is malformed.
inline constexpr std::size_t body_most = 65'536;
inline constexpr std::size_t entries_most = 4'096;
inline constexpr std::size_t elements_most = 1'024;  // of one array of items, tags or list entries
inline constexpr std::size_t addresses_most = 16;
inline constexpr std::size_t address_bytes_most = 255;
inline constexpr std::size_t text_bytes_most = 256;
inline constexpr unsigned prefix_depth_most = 62;

// A message's place in the protocol's list is its type on the channel; others are ignored.
enum class MessageType : std::uint8_t {
  root,
  nodes,
  need,
  items,
  ask,
  tell,
  credit,
  settled,
  refuse,
  bye,
  peers
};

// Salted per session, so that neither means anything in another one.
using ShortDigest = FixedBytes<struct ShortDigestKind, 8>;  // of a trie node
using Tag = FixedBytes<struct TagKind, 8>;                  // of an element

namespace feature {
inline constexpr std::uint64_t holdings = 1;   // ask, tell
inline constexpr std::uint64_t addresses = 2;  // peers
}  // namespace feature

struct Handshake {
  std::uint64_t version = protocol_version;  // the highest that the sender speaks
  std::uint64_t lowest = protocol_version;
  std::uint64_t features = feature::holdings;  // bits that the sender knows
  std::uint64_t required = 0;                  // bits without which it will not go on
  Hash proof{};
};

struct Root {
  bool closed = false;  // the sender takes no archive that it does not know
  bool whole = false;   // it holds every block of every element
  std::uint64_t count = 0;
  Hash digest{};
  std::uint64_t credit = 0;  // so many items may be sent to it
};

// Short digests of the nodes one or two levels below a prefix: 16 or 256 of them, the empty ones left out.
struct Digests {
  static constexpr std::size_t widest = 256;
  unsigned levels = 1;               // 1 or 2
  std::bitset<widest> present{};     // bit i: child i (two levels: 16 * first nibble + second) is not empty
  std::vector<ShortDigest> digests;  // of those present, ascending
  std::size_t width() const { return levels == 1 ? 16 : 256; }
};
struct Listed {
  Tag tag{};
  Fork fork{};
  Length length{};
};
// All elements below a prefix.
using List = std::vector<Listed>;
struct Pull {};      // "I have nothing there: send yours"
struct AskBelow {};  // "list yours"

struct Entry {
  SlotPrefix prefix{};  // at most prefix_depth_most deep
  std::variant<Digests, List, Pull, AskBelow> what{};
};

struct Nodes {
  bool end_of_turn = false;
  bool quiet = false;  // the sender has asked nothing in this turn
  std::vector<Entry> entries;
};

struct Need {
  std::vector<Tag> tags;
};

enum class Holding : std::uint8_t { nothing, part, whole_db, db_and_blobs };

struct Head {
  Fork fork{};
  Length length{};
  bool operator==(const Head&) const = default;
};

// One element in full: its key, and the head that the sender holds.
struct Item {
  Holding holding = Holding::nothing;
  bool bare = false;  // a core by itself, no archive
  CoreKey key{};
  Fork fork{};
  Length length{};
  std::optional<Head> blobs{};
};

struct Items {
  bool live = false;  // told because it changed, not within a run
  std::vector<Item> items;
};

struct Ask {
  std::uint64_t id = 0;
  std::vector<Tag> tags;
};

struct Tell {
  std::uint64_t id = 0;
  std::vector<Holding> holdings;  // in the order of what was asked
};

struct Credit {
  std::uint64_t items = 0;
};

struct Settled {
  std::uint64_t seen = 0;
  bool missing = false;  // something wanted is still missing, and the receiver has it not
};

// Why an item is not followed. Others pass as they are.
enum class RefusalReason : std::uint64_t {
  policy = 1,
  not_granted = 2,
  archives = 3,
  quota = 4,
  disk = 5,
  frozen = 6,
  removed = 7,
  forgotten = 8,
  later = 9,
};

struct Refusal {
  Tag tag{};
  RefusalReason reason{};
};

struct Refuse {
  std::vector<Refusal> refused;
};

// Why a channel was closed. Others pass as they are.
enum class ByeReason : std::uint64_t {
  version = 1,
  feature = 2,
  closing = 3,
  not_allowed = 4,
  not_member = 5,
  announce_flood = 6,
  protocol = 7,
  slow = 8,
  shutting_down = 9,
};

struct Bye {
  ByeReason reason{};
  std::string_view text{};  // for a person; UTF-8 is not checked
};

struct PeerAddress {
  bool own = false;
  PublicKey peer{};
  std::uint64_t age_minutes = 0;
  std::string_view address{};
};

struct Peers {
  std::vector<PeerAddress> peers;
};

Result<Handshake> decode_handshake(Bytes body);
Result<Root> decode_root(Bytes body);
Result<Nodes> decode_nodes(Bytes body);
Result<Need> decode_need(Bytes body);
Result<Items> decode_items(Bytes body);
Result<Ask> decode_ask(Bytes body);
Result<Tell> decode_tell(Bytes body);
Result<Credit> decode_credit(Bytes body);
Result<Settled> decode_settled(Bytes body);
Result<Refuse> decode_refuse(Bytes body);
Result<Bye> decode_bye(Bytes body);
Result<Peers> decode_peers(Bytes body);

// Requires for all: within the bounds above.
void encode(Writer& out, const Handshake& message);
void encode(Writer& out, const Root& message);
void encode(Writer& out, const Entry& entry);
std::size_t encoded_size(const Entry& entry);
void encode(Writer& out, const Nodes& message);
void encode(Writer& out, const Need& message);
void encode(Writer& out, const Items& message);
void encode(Writer& out, const Ask& message);
void encode(Writer& out, const Tell& message);
void encode(Writer& out, const Credit& message);
void encode(Writer& out, const Settled& message);
void encode(Writer& out, const Refuse& message);
void encode(Writer& out, const Bye& message);
void encode(Writer& out, const Peers& message);

// The enumerator's own name, or the number of one that is not known, e.g. "reason 12".
std::string to_string(ByeReason reason);
std::string to_string(RefusalReason reason);

}  // namespace sheaf::coordinator
