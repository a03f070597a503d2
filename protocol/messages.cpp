#include "protocol/messages.hpp"

#include "protocol/manifest.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// Twice a block index must still be an integer of the wire, because that is its leaf in the tree.
constexpr std::uint64_t most_blocks = max_wire_integer / 2;

// What the flags of each message say.
namespace handshake_flag {
constexpr std::uint64_t seeks = 1;
}
namespace sync_flag {
constexpr std::uint64_t can_upgrade = 1, uploading = 2, downloading = 4, has_manifest = 8, allow_push = 16;
}
namespace part_flag {  // of request and data
constexpr std::uint64_t block = 1, hash = 2, seek = 4, upgrade = 8, manifest = 16, priority = 32;
}
namespace no_data_flag {
constexpr std::uint64_t reason = 1;
}
namespace want_flag {
constexpr std::uint64_t any = 1;
}
namespace range_flag {
constexpr std::uint64_t drop = 1, single = 2;
}

constexpr std::uint64_t bit(bool set, std::uint64_t flag) { return set ? flag : 0; }

constexpr std::size_t least_node = 1 + 1 + 32;  // index, size, hash

// A Reader that knows the numbers of a core: what is past their range fails like a field that does not fit.
class FieldReader : public Reader {
 public:
  using Reader::Reader;

  Fork fork() { return {uint()}; }
  Length length() { return {block_number()}; }
  BlockIndex block() { return {block_number()}; }
  ByteCount byte_count() { return {uint()}; }
  TreeIndex tree_index() { return {uint()}; }

  // An interval of blocks whose end is a block number as well.
  void expect_interval(std::uint64_t start, std::uint64_t length) {
    if (start > most_blocks - length) fail();  // both are at most most_blocks
  }

 private:
  std::uint64_t block_number() {
    const std::uint64_t value = uint();
    if (value <= most_blocks) return value;
    fail();
    return 0;
  }
};

template <class Message>
Result<Message> finish(const Reader& in, Message&& message) {
  if (!in.ok()) return ProtocolErrc::malformed;
  return std::forward<Message>(message);
}

// Reads the node lists of one proof within the bounds of L11. The count is judged before the bytes behind
// it, so that an absurd claim has its own name and costs nothing.
class NodeReader {
 public:
  NodeReader(FieldReader& in, const Limits& limits)
      : in_(&in), most_a_part_(limits.proof_nodes_part), left_(limits.proof_nodes) {}

  std::vector<TreeNode> nodes() {
    std::vector<TreeNode> out;
    const std::uint64_t count = in_->uint();
    if (count > most_a_part_ || count > left_) {
      too_many_ = true;
      in_->fail();
      return out;
    }
    if (count > in_->rest().size() / least_node) in_->fail();
    if (!in_->ok() || count == 0) return out;
    left_ -= static_cast<std::size_t>(count);
    out.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const TreeIndex index = in_->tree_index();
      const ByteCount size = in_->byte_count();
      out.push_back({index, size, in_->fixed<Hash>()});
    }
    return out;
  }

  bool too_many() const { return too_many_; }

 private:
  FieldReader* in_;
  std::size_t most_a_part_;
  std::size_t left_;
  bool too_many_ = false;
};

void encode_nodes(Writer& out, const std::vector<TreeNode>& nodes) {
  out.uint(nodes.size());
  for (const TreeNode& node : nodes) {
    out.uint(node.index.value);
    out.uint(node.size.value);
    out.fixed(node.hash);
  }
}

template <class Interval>
Result<Interval> decode_interval(Bytes body) {
  FieldReader in(body);
  Interval message;
  message.start = in.block();
  message.length = in.length();
  in.expect_interval(message.start.value, message.length.value);
  const std::uint64_t flags = in.at_end() ? 0 : in.uint();
  message.any = flags & want_flag::any;
  return finish(in, std::move(message));
}

template <class Interval>
void encode_interval(Writer& out, const Interval& message) {
  out.uint(message.start.value);
  out.uint(message.length.value);
  if (message.any) out.uint(want_flag::any);
}

}  // namespace

Result<ChannelHandshake> decode_channel_handshake(Bytes body) {
  FieldReader in(body);
  const std::uint64_t flags = in.uint();
  ChannelHandshake message{(flags & handshake_flag::seeks) != 0, in.fixed<Hash>()};
  return finish(in, std::move(message));
}

void encode(Writer& out, const ChannelHandshake& message) {
  out.uint(bit(message.seeks, handshake_flag::seeks));
  out.fixed(message.capability);
}

Result<SyncMessage> decode_sync(Bytes body) {
  FieldReader in(body);
  const std::uint64_t flags = in.uint();
  SyncMessage message;
  message.fork = in.fork();
  message.length = in.length();
  message.remote_length = in.length();
  message.can_upgrade = flags & sync_flag::can_upgrade;
  message.uploading = flags & sync_flag::uploading;
  message.downloading = flags & sync_flag::downloading;
  message.has_manifest = flags & sync_flag::has_manifest;
  message.allow_push = flags & sync_flag::allow_push;
  return finish(in, std::move(message));
}

void encode(Writer& out, const SyncMessage& message) {
  out.uint(bit(message.can_upgrade, sync_flag::can_upgrade) | bit(message.uploading, sync_flag::uploading) |
           bit(message.downloading, sync_flag::downloading) |
           bit(message.has_manifest, sync_flag::has_manifest) |
           bit(message.allow_push, sync_flag::allow_push));
  out.uint(message.fork.value);
  out.uint(message.length.value);
  out.uint(message.remote_length.value);
}

Result<Request> decode_request(Bytes body) {
  FieldReader in(body);
  const std::uint64_t flags = in.uint();
  Request message;
  message.id = in.uint();
  message.fork = in.fork();
  if (flags & part_flag::block) {
    const BlockIndex index = in.block();
    message.proof.block = BlockRequest{index, in.uint()};
  }
  if (flags & part_flag::hash) {
    const TreeIndex index = in.tree_index();
    message.proof.hash = HashRequest{index, in.uint()};
  }
  if (flags & part_flag::seek) {
    const ByteCount bytes = in.byte_count();
    message.proof.seek = SeekRequest{bytes, in.byte_count()};
  }
  if (flags & part_flag::upgrade) {
    const Length start = in.length(), length = in.length();
    in.expect_interval(start.value, length.value);
    message.proof.upgrade = UpgradeRequest{start, length};
  }
  message.manifest = flags & part_flag::manifest;
  if (flags & part_flag::priority) message.priority = in.uint();
  return finish(in, std::move(message));
}

void encode(Writer& out, const Request& message) {
  const ProofRequest& proof = message.proof;
  out.uint(bit(proof.block.has_value(), part_flag::block) | bit(proof.hash.has_value(), part_flag::hash) |
           bit(proof.seek.has_value(), part_flag::seek) | bit(proof.upgrade.has_value(), part_flag::upgrade) |
           bit(message.manifest, part_flag::manifest) | bit(message.priority > 0, part_flag::priority));
  out.uint(message.id);
  out.uint(message.fork.value);
  if (proof.block) {
    out.uint(proof.block->index.value);
    out.uint(proof.block->nodes);
  }
  if (proof.hash) {
    out.uint(proof.hash->index.value);
    out.uint(proof.hash->nodes);
  }
  if (proof.seek) {
    out.uint(proof.seek->bytes.value);
    out.uint(proof.seek->padding.value);
  }
  if (proof.upgrade) {
    out.uint(proof.upgrade->start.value);
    out.uint(proof.upgrade->length.value);
  }
  if (message.priority > 0) out.uint(message.priority);
}

Result<Cancel> decode_cancel(Bytes body) {
  FieldReader in(body);
  return finish(in, Cancel{in.uint()});
}

void encode(Writer& out, const Cancel& message) { out.uint(message.request); }

Result<Data> decode_data(Bytes body, const Limits& limits) {
  FieldReader in(body);
  NodeReader lists(in, limits);
  Result<Data> result{Data{}};  // filled in place: a Data is too large to be moved about for each block
  Data& message = *result;
  const std::uint64_t flags = in.uint();
  message.request = in.uint();
  message.fork = in.fork();
  if (flags & part_flag::block) {
    BlockProof& block = message.proof.block.emplace();
    block.index = in.block();
    block.value = in.buffer();
    block.nodes = lists.nodes();
  }
  if (flags & part_flag::hash) {
    HashProof& hash = message.proof.hash.emplace();
    hash.index = in.tree_index();
    hash.nodes = lists.nodes();
  }
  if (flags & part_flag::seek) {
    SeekProof& seek = message.proof.seek.emplace();
    seek.bytes = in.byte_count();
    seek.nodes = lists.nodes();
  }
  if (flags & part_flag::upgrade) {
    UpgradeProof& upgrade = message.proof.upgrade.emplace();
    upgrade.start = in.length();
    upgrade.length = in.length();
    in.expect_interval(upgrade.start.value, upgrade.length.value);
    upgrade.nodes = lists.nodes();
    upgrade.additional = lists.nodes();
    upgrade.signature = in.buffer();
  }
  if (lists.too_many()) return ProtocolErrc::malformed_proof;
  if (in.ok() && (flags & part_flag::manifest)) {
    // Decoded to find its end and its faults; whoever checks it decodes it again, once in a core's life.
    const Bytes from = in.rest();
    const auto manifest = decode_manifest(in, limits);
    if (!manifest && from.size() > limits.manifest_bytes) return ProtocolErrc::malformed_proof;
    if (!manifest) return manifest.error();
    message.manifest = from.first(from.size() - in.rest().size());
  }
  if (!in.ok()) return ProtocolErrc::malformed;
  return result;
}

void encode_head(Writer& out, const Data& message) {
  const Proof& proof = message.proof;
  out.uint(bit(proof.block.has_value(), part_flag::block) | bit(proof.hash.has_value(), part_flag::hash) |
           bit(proof.seek.has_value(), part_flag::seek) | bit(proof.upgrade.has_value(), part_flag::upgrade) |
           bit(!message.manifest.empty(), part_flag::manifest));
  out.uint(message.request);
  out.uint(message.fork.value);
  if (!proof.block) return;
  out.uint(proof.block->index.value);
  out.uint(proof.block->value.size());
}

void encode_tail(Writer& out, const Data& message) {
  const Proof& proof = message.proof;
  if (proof.block) encode_nodes(out, proof.block->nodes);
  if (proof.hash) {
    out.uint(proof.hash->index.value);
    encode_nodes(out, proof.hash->nodes);
  }
  if (proof.seek) {
    out.uint(proof.seek->bytes.value);
    encode_nodes(out, proof.seek->nodes);
  }
  if (proof.upgrade) {
    out.uint(proof.upgrade->start.value);
    out.uint(proof.upgrade->length.value);
    encode_nodes(out, proof.upgrade->nodes);
    encode_nodes(out, proof.upgrade->additional);
    out.buffer(proof.upgrade->signature);
  }
  out.raw(message.manifest);
}

void encode(Writer& out, const Data& message) {
  encode_head(out, message);
  if (message.proof.block) out.raw(message.proof.block->value);
  encode_tail(out, message);
}

Result<NoData> decode_no_data(Bytes body) {
  FieldReader in(body);
  NoData message;
  message.request = in.uint();
  const std::uint64_t flags = in.at_end() ? 0 : in.uint();
  if (flags & no_data_flag::reason) message.reason = static_cast<NoDataReason>(in.uint());
  return finish(in, std::move(message));
}

void encode(Writer& out, const NoData& message) {
  const bool reason = message.reason != NoDataReason::none;
  out.uint(message.request);
  out.uint(bit(reason, no_data_flag::reason));
  if (reason) out.uint(static_cast<std::uint64_t>(message.reason));
}

Result<Want> decode_want(Bytes body) { return decode_interval<Want>(body); }
Result<Unwant> decode_unwant(Bytes body) { return decode_interval<Unwant>(body); }
void encode(Writer& out, const Want& message) { encode_interval(out, message); }
void encode(Writer& out, const Unwant& message) { encode_interval(out, message); }

std::uint32_t BitfieldMessage::word(std::size_t i) const {
  invariant(i < word_count(), "a word that the message has");
  Reader in(words.subspan(i * 4, 4));
  return in.u32();
}

Result<BitfieldMessage> decode_bitfield(Bytes body) {
  FieldReader in(body);
  BitfieldMessage message;
  message.start = in.block();
  const std::uint64_t words = in.uint();
  if (words > in.rest().size() / 4) return ProtocolErrc::malformed;  // also keeps the products below small
  message.words = in.raw(static_cast<std::size_t>(words) * 4);
  in.expect_interval(message.start.value, words * 32);
  return finish(in, std::move(message));
}

void encode(Writer& out, const BitfieldMessage& message) {
  out.uint(message.start.value);
  out.uint(message.word_count());
  out.raw(message.words.first(message.word_count() * 4));
}

Result<RangeMessage> decode_range(Bytes body) {
  FieldReader in(body);
  const std::uint64_t flags = in.uint();
  RangeMessage message;
  message.drop = flags & range_flag::drop;
  message.start = in.block();
  message.length = flags & range_flag::single ? Length{1} : in.length();
  in.expect_interval(message.start.value, message.length.value);
  return finish(in, std::move(message));
}

void encode(Writer& out, const RangeMessage& message) {
  const bool single = message.length == Length{1};
  out.uint(bit(message.drop, range_flag::drop) | bit(single, range_flag::single));
  out.uint(message.start.value);
  if (!single) out.uint(message.length.value);
}

Result<Extension> decode_extension(Bytes body) {
  FieldReader in(body);
  Extension message;
  message.name = in.text();
  message.payload = in.raw_rest();
  return finish(in, std::move(message));
}

void encode(Writer& out, const Extension& message) {
  out.text(message.name);
  out.raw(message.payload);
}

}  // namespace sheaf
