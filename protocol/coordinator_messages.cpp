#include "protocol/coordinator_messages.hpp"

#include "sheaf/protocol/invariant.hpp"

namespace sheaf::coordinator {
namespace {

constexpr std::uint64_t bit(unsigned place) { return std::uint64_t{1} << place; }

// An array's count, at most `most`. Fails where elements of at least `least` bytes cannot be left.
std::size_t counted(Reader& in, std::size_t most, std::size_t least) {
  const std::uint64_t count = in.uint();
  if (count > most || count * least > in.rest().size()) {
    in.fail();
    return 0;
  }
  return static_cast<std::size_t>(count);
}

template <class Message>
Result<Message> finish(const Reader& in, Message message) {
  if (!in.ok()) return ProtocolErrc::malformed;
  return message;
}

Reader reader(Bytes body) {
  Reader in(body);
  if (body.size() > body_most) in.fail();
  return in;
}

enum class Kind : std::uint64_t { children, grandchildren, list, pull, ask };

SlotPrefix read_prefix(Reader& in) {
  const std::uint64_t depth = in.uint();
  if (depth > prefix_depth_most) {
    in.fail();
    return {};
  }
  const Bytes bytes = in.raw(static_cast<std::size_t>(depth + 1) / 2);
  if (!in.ok()) return {};
  Slot slot;
  std::copy(bytes.begin(), bytes.end(), slot.value.begin());
  const SlotPrefix prefix(slot, static_cast<unsigned>(depth));
  if (prefix.first_slot() != slot) in.fail();  // the nibble behind an odd prefix is not zero
  return prefix;
}

Digests read_digests(Reader& in, unsigned levels) {
  Digests out{.levels = levels, .present = {}, .digests = {}};
  const Bytes bitmap = in.raw(out.width() / 8);
  if (!in.ok()) return out;
  for (std::size_t i = 0; i < out.width(); ++i)
    out.present[i] = (std::to_integer<unsigned>(bitmap[i / 8]) >> (i % 8) & 1) != 0;
  const std::size_t count = out.present.count();
  if (count * ShortDigest::size > in.rest().size()) {
    in.fail();
    return out;
  }
  out.digests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.digests.push_back(in.fixed<ShortDigest>());
  return out;
}

List read_list(Reader& in) {
  List out(counted(in, elements_most, Tag::size + 2));
  for (Listed& listed : out) {
    listed.tag = in.fixed<Tag>();
    listed.fork.value = in.uint();
    listed.length.value = in.uint();
  }
  return out;
}

Entry read_entry(Reader& in) {
  const Kind kind{in.uint()};
  Entry out{.prefix = read_prefix(in), .what = Pull{}};
  switch (kind) {
    case Kind::children: out.what = read_digests(in, 1); break;
    case Kind::grandchildren:
      if (out.prefix.depth() + 2 > SlotPrefix::most_depth) in.fail();
      out.what = read_digests(in, 2);
      break;
    case Kind::list: out.what = read_list(in); break;
    case Kind::pull: break;
    case Kind::ask: out.what = AskBelow{}; break;
    default: in.fail();
  }
  return out;
}

std::vector<Tag> read_tags(Reader& in) {
  std::vector<Tag> out(counted(in, elements_most, Tag::size));
  for (Tag& tag : out) tag = in.fixed<Tag>();
  return out;
}

Item read_item(Reader& in) {
  Item out;
  const std::uint64_t flags = in.uint();
  out.holding = static_cast<Holding>(flags & 3);
  out.bare = (flags & bit(2)) != 0;
  out.key = in.fixed<CoreKey>();
  out.fork.value = in.uint();
  out.length.value = in.uint();
  if ((flags & bit(3)) != 0) {
    Head blobs;
    blobs.fork.value = in.uint();
    blobs.length.value = in.uint();
    out.blobs = blobs;
  }
  return out;
}

void write_prefix(Writer& out, const SlotPrefix& prefix) {
  invariant(prefix.depth() <= prefix_depth_most, "an entry's prefix ends two nibbles above a slot's end");
  out.uint(prefix.depth());
  out.raw(prefix.first_slot().bytes().first((prefix.depth() + 1) / 2));
}

void write(Writer& out, const Digests& digests) {
  for (std::size_t at = 0; at < digests.width(); at += 8) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < 8; ++i) byte |= (digests.present[at + i] ? 1u : 0u) << i;
    out.u8(static_cast<std::uint8_t>(byte));
  }
  for (const ShortDigest& digest : digests.digests) out.fixed(digest);
}

void write(Writer& out, const List& list) {
  out.uint(list.size());
  for (const Listed& listed : list) {
    out.fixed(listed.tag);
    out.uint(listed.fork.value);
    out.uint(listed.length.value);
  }
}

void write(Writer& out, const std::vector<Tag>& tags) {
  out.uint(tags.size());
  for (const Tag& tag : tags) out.fixed(tag);
}

std::string numbered(std::uint64_t reason) { return "reason " + std::to_string(reason); }

}  // namespace

Result<Handshake> decode_handshake(Bytes body) {
  Reader in = reader(body);
  Handshake out;
  out.version = in.uint();
  out.lowest = in.uint();
  out.features = in.uint();
  out.required = in.uint();
  out.proof = in.fixed<Hash>();
  return finish(in, out);
}

void encode(Writer& out, const Handshake& message) {
  out.uint(message.version);
  out.uint(message.lowest);
  out.uint(message.features);
  out.uint(message.required);
  out.fixed(message.proof);
}

Result<Root> decode_root(Bytes body) {
  Reader in = reader(body);
  Root out;
  const std::uint64_t flags = in.uint();
  out.closed = (flags & bit(0)) != 0;
  out.whole = (flags & bit(1)) != 0;
  out.count = in.uint();
  out.digest = in.fixed<Hash>();
  out.credit = in.uint();
  return finish(in, out);
}

void encode(Writer& out, const Root& message) {
  out.uint((message.closed ? bit(0) : 0) | (message.whole ? bit(1) : 0));
  out.uint(message.count);
  out.fixed(message.digest);
  out.uint(message.credit);
}

Result<Nodes> decode_nodes(Bytes body) {
  Reader in = reader(body);
  Nodes out;
  const std::uint64_t flags = in.uint();
  out.end_of_turn = (flags & bit(0)) != 0;
  out.quiet = (flags & bit(1)) != 0;
  const std::size_t count = counted(in, entries_most, 2);
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.entries.push_back(read_entry(in));
  return finish(in, std::move(out));
}

void encode(Writer& out, const Entry& entry) {
  const auto begin = [&](Kind kind) {
    out.uint(static_cast<std::uint64_t>(kind));
    write_prefix(out, entry.prefix);
  };
  if (const auto* digests = std::get_if<Digests>(&entry.what)) {
    begin(digests->levels == 1 ? Kind::children : Kind::grandchildren);
    write(out, *digests);
  } else if (const auto* list = std::get_if<List>(&entry.what)) {
    begin(Kind::list);
    write(out, *list);
  } else {
    begin(std::holds_alternative<Pull>(entry.what) ? Kind::pull : Kind::ask);
  }
}

void encode(Writer& out, const Nodes& message) {
  out.uint((message.end_of_turn ? bit(0) : 0) | (message.quiet ? bit(1) : 0));
  out.uint(message.entries.size());
  for (const Entry& entry : message.entries) encode(out, entry);
}

std::size_t encoded_size(const Entry& entry) {
  std::size_t size = 2 + (entry.prefix.depth() + 1) / 2;
  if (const auto* digests = std::get_if<Digests>(&entry.what)) {
    size += digests->width() / 8 + digests->digests.size() * ShortDigest::size;
  } else if (const auto* list = std::get_if<List>(&entry.what)) {
    size += uint_size(list->size());
    for (const Listed& listed : *list)
      size += Tag::size + uint_size(listed.fork.value) + uint_size(listed.length.value);
  }
  return size;
}

Result<Need> decode_need(Bytes body) {
  Reader in = reader(body);
  Need out{read_tags(in)};
  return finish(in, std::move(out));
}

void encode(Writer& out, const Need& message) { write(out, message.tags); }

Result<Items> decode_items(Bytes body) {
  Reader in = reader(body);
  Items out;
  out.live = (in.uint() & bit(0)) != 0;
  const std::size_t count = counted(in, elements_most, CoreKey::size + 3);
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.items.push_back(read_item(in));
  return finish(in, std::move(out));
}

void encode(Writer& out, const Items& message) {
  out.uint(message.live ? bit(0) : 0);
  out.uint(message.items.size());
  for (const Item& item : message.items) {
    out.uint(static_cast<std::uint64_t>(item.holding) | (item.bare ? bit(2) : 0) | (item.blobs ? bit(3) : 0));
    out.fixed(item.key);
    out.uint(item.fork.value);
    out.uint(item.length.value);
    if (!item.blobs) continue;
    out.uint(item.blobs->fork.value);
    out.uint(item.blobs->length.value);
  }
}

Result<Ask> decode_ask(Bytes body) {
  Reader in = reader(body);
  Ask out;
  out.id = in.uint();
  out.tags = read_tags(in);
  return finish(in, std::move(out));
}

void encode(Writer& out, const Ask& message) {
  out.uint(message.id);
  write(out, message.tags);
}

Result<Tell> decode_tell(Bytes body) {
  Reader in = reader(body);
  Tell out;
  out.id = in.uint();
  out.holdings.resize(counted(in, elements_most, 1));
  for (Holding& holding : out.holdings) holding = static_cast<Holding>(in.u8() & 3);
  return finish(in, std::move(out));
}

void encode(Writer& out, const Tell& message) {
  out.uint(message.id);
  out.uint(message.holdings.size());
  for (const Holding holding : message.holdings) out.u8(static_cast<std::uint8_t>(holding));
}

Result<Credit> decode_credit(Bytes body) {
  Reader in = reader(body);
  return finish(in, Credit{in.uint()});
}

void encode(Writer& out, const Credit& message) { out.uint(message.items); }

Result<Settled> decode_settled(Bytes body) {
  Reader in = reader(body);
  Settled out;
  out.seen = in.uint();
  out.missing = (in.uint() & bit(0)) != 0;
  return finish(in, out);
}

void encode(Writer& out, const Settled& message) {
  out.uint(message.seen);
  out.uint(message.missing ? bit(0) : 0);
}

Result<Refuse> decode_refuse(Bytes body) {
  Reader in = reader(body);
  Refuse out;
  out.refused.resize(counted(in, elements_most, Tag::size + 1));
  for (Refusal& refusal : out.refused) {
    refusal.tag = in.fixed<Tag>();
    refusal.reason = RefusalReason{in.uint()};
  }
  return finish(in, std::move(out));
}

void encode(Writer& out, const Refuse& message) {
  out.uint(message.refused.size());
  for (const Refusal& refusal : message.refused) {
    out.fixed(refusal.tag);
    out.uint(static_cast<std::uint64_t>(refusal.reason));
  }
}

Result<Bye> decode_bye(Bytes body) {
  Reader in = reader(body);
  Bye out;
  out.reason = ByeReason{in.uint()};
  out.text = in.text();
  if (out.text.size() > text_bytes_most) in.fail();
  return finish(in, out);
}

void encode(Writer& out, const Bye& message) {
  out.uint(static_cast<std::uint64_t>(message.reason));
  out.text(message.text);
}

Result<Peers> decode_peers(Bytes body) {
  Reader in = reader(body);
  Peers out;
  out.peers.resize(counted(in, addresses_most, PublicKey::size + 3));
  for (PeerAddress& peer : out.peers) {
    peer.own = (in.uint() & bit(0)) != 0;
    peer.peer = in.fixed<PublicKey>();
    peer.age_minutes = in.uint();
    peer.address = in.text();
    if (peer.address.size() > address_bytes_most) in.fail();
  }
  return finish(in, std::move(out));
}

void encode(Writer& out, const Peers& message) {
  out.uint(message.peers.size());
  for (const PeerAddress& peer : message.peers) {
    out.uint(peer.own ? bit(0) : 0);
    out.fixed(peer.peer);
    out.uint(peer.age_minutes);
    out.text(peer.address);
  }
}

std::string to_string(ByeReason reason) {
  switch (reason) {
    case ByeReason::version: return "version";
    case ByeReason::feature: return "feature";
    case ByeReason::closing: return "closing";
    case ByeReason::not_allowed: return "not_allowed";
    case ByeReason::not_member: return "not_member";
    case ByeReason::announce_flood: return "announce_flood";
    case ByeReason::protocol: return "protocol";
    case ByeReason::slow: return "slow";
    case ByeReason::shutting_down: return "shutting_down";
  }
  return numbered(static_cast<std::uint64_t>(reason));
}

std::string to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::policy: return "policy";
    case RefusalReason::not_granted: return "not_granted";
    case RefusalReason::archives: return "archives";
    case RefusalReason::quota: return "quota";
    case RefusalReason::disk: return "disk";
    case RefusalReason::frozen: return "frozen";
    case RefusalReason::removed: return "removed";
    case RefusalReason::forgotten: return "forgotten";
    case RefusalReason::later: return "later";
  }
  return numbered(static_cast<std::uint64_t>(reason));
}

}  // namespace sheaf::coordinator
