#include "protocol/core_channel.hpp"

#include <algorithm>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/prover.hpp"
#include "protocol/want_reply.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

MessageType type_of(const SyncMessage&) { return MessageType::sync; }
MessageType type_of(const Request&) { return MessageType::request; }
MessageType type_of(const Cancel&) { return MessageType::cancel; }
MessageType type_of(const NoData&) { return MessageType::no_data; }
MessageType type_of(const Want&) { return MessageType::want; }
MessageType type_of(const BitfieldMessage&) { return MessageType::bitfield; }
MessageType type_of(const RangeMessage&) { return MessageType::range; }

// A want names a segment of this many blocks; larger ones are ignored, as Hypercore does.
constexpr std::uint64_t want_segment = std::uint64_t{1} << 21;
// Newly stored blocks this close to the end are told to every peer, wanted or not.
constexpr std::uint64_t tail_blocks = 256;
// More separate wants than this count as wanting everything.
constexpr std::size_t remembered_wants = 64;
// Trees that a peer may show unasked on one channel; each costs us the check of a signature.
constexpr std::size_t trees_shown_most = 8;

bool overlap(const BlockRange& a, const BlockRange& b) { return a.begin < b.end && b.begin < a.end; }

}  // namespace

CoreChannel::CoreChannel(const LocalCore& local, Mux& mux, const Limits& limits)
    : local_(local), mux_(mux), limits_(limits), remote_has_(limits.have_set_bytes) {}

void CoreChannel::open(Role role, const WideHash& handshake_hash) {
  role_ = role;
  expected_capability_ = capability(local_.key, handshake_hash, other(role));
  Buffer handshake;
  Writer writer(handshake);
  encode(writer, ChannelHandshake{true, capability(local_.key, handshake_hash, role)});
  id_ = mux_.open(core_protocol, discovery_key(local_.key).bytes(), handshake);
}

std::optional<SessionEnd> CoreChannel::opened(Bytes body, Instant) {
  const auto handshake = decode_channel_handshake(body);
  if (!handshake) return SessionEnd::malformed_message;
  if (!crypto::equal_in_constant_time(handshake->capability.bytes(), expected_capability_.bytes()))
    return SessionEnd::invalid_capability;
  open_ = true;
  remote_changed_ = true;
  local_changed();
  return std::nullopt;
}

void CoreChannel::close() {
  open_ = false;
  for (auto& [id, asked] : asked_) unanswered_.push_back(asked);
  asked_.clear();
  asked_block_.clear();
  requests_.clear();
  pending_.clear();
  tickets_.clear();
  remote_wants_.clear();
}

std::optional<SessionEnd> CoreChannel::receive(std::uint64_t type, Bytes body, const Slab& slab, Instant) {
  const auto decoded = [](const auto& message) { return message.has_value(); };
  if (type >= message_types) return std::nullopt;  // of a later protocol; also keeps the cast honest
  switch (static_cast<MessageType>(type)) {
    case MessageType::sync:
      if (const auto m = decode_sync(body); decoded(m)) return on_sync(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::request:
      if (const auto m = decode_request(body); decoded(m)) return on_request(*m);
      return SessionEnd::malformed_message;
    case MessageType::cancel:
      if (const auto m = decode_cancel(body); decoded(m)) return on_cancel(m->request), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::data: {
      auto m = decode_data(body, limits_);
      if (decoded(m)) return on_data(std::move(*m), slab), std::nullopt;
      return m.error() == ProtocolErrc::malformed_proof ? SessionEnd::malformed_proof
                                                        : SessionEnd::malformed_message;
    }
    case MessageType::no_data:
      if (const auto m = decode_no_data(body); decoded(m)) return on_no_data(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::want:
      if (const auto m = decode_want(body); decoded(m)) return on_want(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::unwant:
      if (const auto m = decode_unwant(body); decoded(m)) return on_unwant(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::bitfield:
      if (const auto m = decode_bitfield(body); decoded(m)) return on_bitfield(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::range:
      if (const auto m = decode_range(body); decoded(m)) return on_range(*m), std::nullopt;
      return SessionEnd::malformed_message;
    case MessageType::extension:
      if (!decoded(decode_extension(body))) return SessionEnd::malformed_message;
      return std::nullopt;  // none is known here; an unknown one is skipped
  }
  return std::nullopt;  // a type of a later protocol
}

void CoreChannel::on_sync(const SyncMessage& sync) {
  if (!remote_.synced || sync.length != remote_.length || sync.fork != remote_.fork ||
      sync.remote_length != remote_.acked || sync.can_upgrade != remote_.can_upgrade)
    upgrade_refused_ = false;
  remote_.synced = true;
  remote_.fork = sync.fork;
  remote_.length = sync.length;
  remote_.acked = sync.fork == local_.head.fork ? sync.remote_length : Length{};
  remote_.can_upgrade = sync.can_upgrade;
  remote_.uploading = sync.uploading;
  remote_.downloading = sync.downloading;
  remote_.has_manifest = sync.has_manifest;
  remote_changed_ = true;
  local_changed();  // it may have to hear that we have heard its new length
}

std::optional<SessionEnd> CoreChannel::on_request(const Request& request) {
  on_cancel(request.id);  // a repeated id takes the place of the earlier request
  if (pending_.size() >= limits_.request_flood) return SessionEnd::request_flood;
  if (requests_.size() >= 2 * limits_.request_flood)
    std::erase_if(requests_, [&](const IncomingRequest& r) { return !pending_.contains(r.ticket); });
  const std::uint64_t ticket = ++last_ticket_;
  pending_[ticket] = Pending{request.id};
  tickets_[request.id] = ticket;
  requests_.push_back({ticket, request.id, request.fork, request.proof, request.manifest});
  return std::nullopt;
}

void CoreChannel::on_cancel(std::uint64_t id) {
  const auto known = tickets_.find(id);
  if (known == tickets_.end()) return;
  const auto state = pending_.find(known->second);
  if (state->second.state == Pending::State::taken)
    state->second.state = Pending::State::cancelled;  // its answer is being made, and will not be sent
  else
    pending_.erase(state);
  tickets_.erase(known);
}

void CoreChannel::on_data(Data&& data, const Slab& slab) {
  const auto found = asked_.find(data.request);
  if (found == asked_.end()) {
    // Cancelled meanwhile, or never asked. Unasked a peer may only show a tree of our fork, or any where
    // nothing is here, to prove that two were signed.
    const auto& upgrade = data.proof.upgrade;
    const bool of_ours = data.fork == local_.head.fork || local_.head.length == Length{};
    const bool tree = data.request == 0 && of_ours && upgrade && upgrade->start == Length{} &&
                      !data.proof.block && !data.proof.hash && !data.proof.seek;
    if (!tree || ++trees_shown_ > trees_shown_most) return;
    Asked shown{Purpose::conflict, data.fork, {}, {}};
    data_.push_back({0, std::move(shown), std::move(data), slab});
    return;
  }
  Asked asked = std::move(found->second);
  forget_asked(found);
  const Proof& got = data.proof;
  const ProofRequest want = asked.parts;
  const bool empty = !got.block && !got.hash && !got.seek && !got.upgrade;
  if (empty || data.fork != asked.fork || !answers(got, want)) {
    give_up(std::move(asked));
    return;
  }
  if (want.block && !got.block) {  // the rest is good; the block has to be asked for again
    Asked missing = asked;
    missing.parts = {};
    missing.parts.block = want.block;
    unanswered_.push_back(std::move(missing));
  }
  data_.push_back({data.request, std::move(asked), std::move(data), slab});
}

void CoreChannel::on_no_data(const NoData& message) {
  const auto found = asked_.find(message.request);
  if (found == asked_.end()) return;
  Asked asked = std::move(found->second);
  forget_asked(found);
  give_up(std::move(asked));
}

// What this peer did not give is not asked of it again until it says something new. What was asked of a fork
// that it has left meanwhile says nothing about its blocks.
void CoreChannel::give_up(Asked asked) {
  const bool of_its_fork = asked.fork == remote_.fork;
  if (asked.parts.block && of_its_fork)
    remote_has_.drop({asked.parts.block->index, asked.parts.block->index + Length{1}});
  if (asked.parts.upgrade && of_its_fork && asked.purpose != Purpose::conflict) upgrade_refused_ = true;
  unanswered_.push_back(std::move(asked));
  remote_changed_ = true;
}

void CoreChannel::on_want(const Want& want) {
  const BlockRange wanted{want.start, want.start + want.length};
  const WantReply reply = want_reply(local_.have, local_.head.length, wanted, want.any);
  if (reply.range) tell_range(*reply.range, false);
  for (const BitfieldPart& part : reply.fields) {
    scratch_words_.clear();
    Writer writer(scratch_words_);
    for (const std::uint32_t word : part.words) writer.u32(word);
    send(BitfieldMessage{part.start, scratch_words_});
  }
  if (want.any) return;  // a question, not a subscription
  if (remote_wants_.size() >= remembered_wants) remote_wants_.assign(1, BlockRange{{}, {max_wire_integer}});
  remote_wants_.push_back(wanted);
}

void CoreChannel::on_unwant(const Unwant& unwant) {
  const BlockRange range{unwant.start, unwant.start + unwant.length};
  std::erase(remote_wants_, range);
}

void CoreChannel::on_bitfield(const BitfieldMessage& message) {
  if (message.start.value % 32 != 0) return;  // ignored, as Hypercore does
  std::vector<std::uint32_t> words(message.word_count());
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = message.word(i);
  remote_has_.apply(message.start, words);
  remote_changed_ = true;
}

void CoreChannel::on_range(const RangeMessage& message) {
  const BlockRange range{message.start, message.start + message.length};
  if (message.drop)
    remote_has_.drop(range);
  else
    remote_has_.add(range);
  remote_changed_ = true;
  if (message.drop && open_) tell_contiguous();
}

std::vector<IncomingRequest> CoreChannel::take_requests(std::size_t most) {
  std::vector<IncomingRequest> out;
  std::size_t seen = 0;
  for (; seen < requests_.size() && out.size() < most; ++seen) {
    const auto state = pending_.find(requests_[seen].ticket);
    if (state == pending_.end()) continue;  // cancelled
    state->second.state = Pending::State::taken;
    out.push_back(std::move(requests_[seen]));
  }
  requests_.erase(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(seen));
  return out;
}

void CoreChannel::put_back(std::vector<IncomingRequest> requests) {
  std::erase_if(requests, [&](const IncomingRequest& request) {
    const auto state = pending_.find(request.ticket);
    if (state == pending_.end()) return true;
    if (state->second.state == Pending::State::cancelled) {
      pending_.erase(state);
      return true;
    }
    state->second.state = Pending::State::queued;
    return false;
  });
  requests_.insert(requests_.begin(), std::make_move_iterator(requests.begin()),
                   std::make_move_iterator(requests.end()));
}

std::vector<IncomingData> CoreChannel::take_data() { return std::exchange(data_, {}); }
std::vector<Asked> CoreChannel::take_unanswered() { return std::exchange(unanswered_, {}); }
bool CoreChannel::take_remote_changed() { return std::exchange(remote_changed_, false); }
bool CoreChannel::wants_input() const { return pending_.size() < limits_.requests_channel; }

bool CoreChannel::can_ask_upgrade() const {
  return open_ && !paused_ && !upgrade_refused_ && remote_.synced && remote_.uploading &&
         remote_.can_upgrade && remote_.fork == local_.head.fork && remote_.length > local_.head.length &&
         remote_.acked == local_.head.length;
}

bool CoreChannel::can_ask_reorg() const {
  return open_ && !paused_ && !upgrade_refused_ && remote_.synced && remote_.uploading &&
         remote_.fork > local_.head.fork && remote_.length.value > 0;
}

std::optional<Instant> CoreChannel::waiting_since() const {
  std::optional<Instant> oldest;
  for (const auto& [id, asked] : asked_)
    if (!oldest || asked.since < *oldest) oldest = asked.since;
  return oldest;
}

std::vector<Asked> CoreChannel::owed(Instant before) const {
  std::vector<Asked> out;
  for (const auto& [id, asked] : asked_)
    if (asked.since <= before) out.push_back(asked);
  return out;
}

void CoreChannel::ask(Purpose purpose, Fork fork, const ProofRequest& parts, bool manifest, Packing packing,
                      Instant now) {
  invariant(open_, "only an open channel is asked");
  const std::uint64_t id = purpose == Purpose::conflict ? 0 : fresh_request_id();
  asked_[id] = Asked{purpose, fork, parts, now};
  if (parts.block) asked_block_[parts.block->index.value] = id;
  send(Request{id, fork, parts, manifest, 0}, packing);
}

bool CoreChannel::cancel_block(BlockIndex index) {
  const auto known = asked_block_.find(index.value);
  if (known == asked_block_.end()) return false;
  send(Cancel{known->second});
  asked_.erase(known->second);  // its id is not used again: an answer may be under way
  asked_block_.erase(known);
  return true;
}

void CoreChannel::want(BlockIndex index) {
  const std::uint64_t segment = index.value / want_segment;
  if (std::ranges::find(wanted_segments_, segment) != wanted_segments_.end()) return;
  wanted_segments_.push_back(segment);
  send(Want{{segment * want_segment}, {want_segment}, false});
}

void CoreChannel::answer(std::uint64_t ticket, Bytes data_message) {
  if (finish_request(ticket)) mux_.send(id_, static_cast<std::uint64_t>(MessageType::data), data_message);
}

void CoreChannel::answer(std::uint64_t ticket, OutgoingFrame data_message) {
  if (finish_request(ticket))
    mux_.send_frame(id_, static_cast<std::uint64_t>(MessageType::data), std::move(data_message));
}

void CoreChannel::refuse(std::uint64_t ticket, NoDataReason reason) {
  if (const auto id = finish_request(ticket)) send(NoData{*id, reason});
}

bool CoreChannel::still_wanted(std::uint64_t ticket) const {
  const auto known = pending_.find(ticket);
  return open_ && known != pending_.end() && known->second.state != Pending::State::cancelled;
}

// The peer's id if it still waits for this one. Either way it is not pending any more.
std::optional<std::uint64_t> CoreChannel::finish_request(std::uint64_t ticket) {
  const auto known = pending_.find(ticket);
  if (known == pending_.end()) return std::nullopt;
  const Pending request = known->second;
  pending_.erase(known);
  if (!open_ || request.state == Pending::State::cancelled) return std::nullopt;
  tickets_.erase(request.id);
  return request.id;
}

SyncMessage CoreChannel::wanted_sync() const {
  SyncMessage sync;
  sync.fork = local_.head.fork;
  sync.length = local_.head.length;
  const bool same_fork = remote_.synced && remote_.fork == local_.head.fork;
  sync.remote_length = same_fork ? remote_.length : Length{};
  sync.can_upgrade = same_fork
                         ? remote_.length < local_.head.length && local_.proves_upgrade_from(remote_.length)
                         : !remote_.synced && local_.head.fork == Fork{};
  // A core that compares its key with the signer's own has no manifest to show, and must not claim one.
  sync.has_manifest = local_.manifest.has_value() && !is_compat(*local_.manifest, local_.key);
  return sync;
}

void CoreChannel::local_changed() {
  if (!open_) return;
  if (const SyncMessage sync = wanted_sync(); !told_ || *told_ != sync) {
    told_ = sync;
    send(sync);
  }
  tell_contiguous();
}

void CoreChannel::tell_contiguous() {
  const Length contiguous = local_.have.contiguous();
  if (contiguous <= told_contiguous_) return;
  // It may drop what it has, and has not been told by us then.
  if (remote_holds({{}, end_of(contiguous)})) return;
  told_contiguous_ = contiguous;
  tell_range({{}, end_of(contiguous)}, false);
}

// What a peer said of its blocks on another fork is about other blocks.
bool CoreChannel::remote_holds(BlockRange blocks) const {
  return remote_.synced && remote_.fork == local_.head.fork && remote_has_.covers(blocks);
}

void CoreChannel::blocks_stored(BlockRange blocks) {
  if (!open_) return;
  tell_contiguous();
  if (blocks.end <= end_of(told_contiguous_) || remote_holds(blocks)) return;
  const bool near_end = blocks.end.value + tail_blocks > local_.head.length.value;
  if (near_end || wants(blocks)) tell_range(blocks, false);
}

void CoreChannel::blocks_dropped(BlockRange blocks) {
  told_contiguous_ = std::min(told_contiguous_, Length{blocks.begin.value});
  wanted_segments_.clear();  // what the peer has of these was of no interest before, and has to be asked anew
  if (open_ && !blocks.empty()) tell_range(blocks, true);
}

void CoreChannel::tell_range(BlockRange blocks, bool drop) {
  send(RangeMessage{drop, blocks.begin, blocks.count()});
}

void CoreChannel::show_tree(Bytes data_message) {
  if (open_) mux_.send(id_, static_cast<std::uint64_t>(MessageType::data), data_message);
}

bool CoreChannel::wants(BlockRange blocks) const {
  return std::ranges::any_of(remote_wants_,
                             [&](const BlockRange& wanted) { return overlap(wanted, blocks); });
}

std::uint64_t CoreChannel::fresh_request_id() {
  if (free_ids_.empty()) return ++highest_id_;
  const std::uint64_t id = free_ids_.back();
  free_ids_.pop_back();
  return id;
}

void CoreChannel::forget_asked(std::unordered_map<std::uint64_t, Asked>::iterator at) {
  if (at->second.parts.block) {
    const auto block = asked_block_.find(at->second.parts.block->index.value);
    if (block != asked_block_.end() && block->second == at->first) asked_block_.erase(block);
  }
  if (at->first != 0) free_ids_.push_back(at->first);
  asked_.erase(at);
}

template <class Message>
void CoreChannel::send(const Message& message, Packing packing) {
  mux_.send_with(
      id_, static_cast<std::uint64_t>(type_of(message)), [&](Writer& body) { encode(body, message); },
      packing);
}

}  // namespace sheaf
