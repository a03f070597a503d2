// F13: one core's channel from its opening to its end: a stranger on the other side, a scripted core on ours.
//
// An input is the seed of the writer's key (32 bytes), how many blocks there are, who we are (odd: the
// writer; else a reader that knows the key alone), and then steps: one byte for the step, one for its
// argument, and what the step takes beyond that. A step is something the stranger says (a recorded frame of
// the mux, a message of its own, a true answer to what we asked, bent or not) or something that the core's
// owner does (answer, verify, ask, append, clear, truncate, take back). seed_corpus writes the recorded
// sessions so.
//
// What must hold after every step, for what was said and for what is known:
//   1. all that we say decodes, and is true: lengths, ranges, bitfields are those of our core at that moment
//   2. a sync is not said twice, and a session ends for a reason that a message can give
//   3. each request is answered once, while it is wanted, and no other; none is left over
//   4. each thing we asked is in flight, given to the owner, given back, or was taken back
//   5. what is remembered of the stranger, and what it makes us say, has its bounds
//   6. nothing is said after the end
#include <deque>
#include <map>
#include <set>

#include "protocol/core_channel.hpp"
#include "protocol/frame_reader.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/log_world.hpp"

using namespace sheaf;
using fuzz::expect;
using test::LogReader;
using test::LogWriter;

namespace {

constexpr std::uint64_t longest = 21;

// Small, so that few messages reach them.
const Limits& small_limits() {
  static const Limits limits = [] {
    Limits out;
    out.requests_channel = 8;
    out.request_flood = 24;
    out.have_set_bytes = 1024;
    return out;
  }();
  return limits;
}

template <class Message>
Buffer body_of(const Message& message) {
  Buffer out;
  Writer writer(out);
  encode(writer, message);
  return out;
}

class Talk {
 public:
  Talk(fuzz::Choices& choices, LogWriter& log, bool writes) : choices_(choices), log_(log), writes_(writes) {
    local_.key = log.key;
    if (!writes) return;
    local_.manifest = log.manifest;
    local_.head = log.head;
    local_.have.set(BlockRange{{}, end_of(log.head.length)});
  }

  void open() {
    const Role role = writes_ ? Role::responder : Role::initiator;
    channel_.open(role, hash_);
    Mux theirs(limits_);
    theirs.open(core_protocol, discovery_key(log_.key).bytes(),
                body_of(ChannelHandshake{true, capability(log_.key, hash_, other(role))}));
    const auto frame = theirs.next_frame();
    mux_.receive(keep(to_buffer(frame->content())), now_);
    while (const auto event = mux_.next_event())
      if (const auto* opened = std::get_if<ChannelOpened>(&*event))
        expect(!channel_.opened(opened->handshake, now_));
    expect(channel_.is_open());
    look();
  }

  void step() {
    const std::uint8_t step = choices_.byte();
    const std::uint8_t argument = choices_.byte();
    switch (step % 16) {
      case 0: return hear_frame(argument);
      case 1: return hear_raw(argument);
      case 2: return hear_message(argument);
      case 3: return hear_answer(argument);
      case 4: return take_requests(argument);
      case 5: return answer_one(argument);
      case 6: return take_data();
      case 7: return ask(argument);
      case 8: return ask_block(argument);
      case 9: return ask_fork_or_conflict();
      case 10: return take_back(argument);
      case 11: return append_block();
      case 12: return cut(argument);
      case 13: channel_.want({argument % (longest + 4)}); return look();
      case 14: return take_unanswered();
      case 15:
        argument % 2 == 0 ? channel_.pause() : channel_.resume();
        if (argument == 255) end();
        return;
    }
  }

  bool over() const { return over_; }

  // All that is left over is done, and then nothing is owed.
  void finish() {
    if (!over_) {
      while (channel_.has_requests()) take_requests(7);
      while (!held_.empty()) answer_one(0);
      expect(channel_.pending_requests() == 0);
      expect(wanted_.empty());
      end();
    }
    take_data();
    take_unanswered();
    expect(channel_.in_flight() == 0);
    expect(given_ + given_back_ + taken_back_ == asked_ + parted_);
    // The owner may not have heard yet that it is over.
    channel_.local_changed();
    channel_.blocks_stored({{}, {1}});
    channel_.blocks_dropped({{}, {1}});
    while (!held_.empty()) answer_one(0);
    channel_.show_tree(body_of(Data{}));
    expect(!mux_.next_frame());
  }

 private:
  // -- What the stranger says.

  void hear(std::uint64_t type, Bytes body) {
    if (over_) return;
    const Bytes kept = keep(to_buffer(body));
    if (type < message_types) note(static_cast<MessageType>(type), kept);
    const auto ended = channel_.receive(type, kept, Slab(), now_);
    heard_ += kept.size() + 2;
    if (!ended) return;
    expect(*ended == SessionEnd::malformed_message || *ended == SessionEnd::malformed_proof ||
           *ended == SessionEnd::request_flood);
    end();
  }

  // What the stranger's message changes of what is owed, either way.
  void note(MessageType type, Bytes body) {
    if (type == MessageType::cancel)
      if (const auto cancel = decode_cancel(body)) wanted_.erase(cancel->request);
    if (type == MessageType::request)
      if (const auto request = decode_request(body)) wanted_.insert(request->id);
    if (type == MessageType::no_data)
      if (const auto no_data = decode_no_data(body)) in_flight_.erase(no_data->request);
    if (type == MessageType::data)
      if (const auto data = decode_data(body, limits_)) in_flight_.erase(data->request);
  }

  // A frame as it was recorded, behind its length (u16, big endian). Which channel it names is of no interest
  // here, nor is what it says to the mux itself.
  void hear_frame(std::uint8_t high) {
    const std::size_t size = high * 256u + choices_.byte();
    const Bytes frame = choices_.bytes(size);
    FrameReader reader;
    reader.load(frame);
    FrameEntry entry;
    for (;;) {
      const auto step = reader.next(entry);
      if (step == FrameReader::Step::entry && entry.channel != 0) hear(entry.type, entry.body);
      if (step != FrameReader::Step::entry && step != FrameReader::Step::passed) break;
    }
    look();
  }

  void hear_raw(std::uint8_t size) {
    const std::uint64_t type = choices_.byte() % (message_types + 2);
    hear(type, choices_.bytes(size));
    look();
  }

  // Mostly small, sometimes at an edge.
  std::uint64_t number() {
    const std::uint8_t kind = choices_.byte();
    if (kind < 224) return kind % (longest + 5);
    return kind < 240 ? max_wire_integer - kind % 3 : choices_.number() % (max_wire_integer + 1);
  }

  ProofRequest parts() {
    ProofRequest out;
    const std::uint8_t which = choices_.byte();
    if (which & 1) out.block = BlockRequest{{number()}, choices_.below(4)};
    if (which & 2) out.hash = HashRequest{{number()}, choices_.below(4)};
    if (which & 4) out.seek = SeekRequest{{number()}, {choices_.below(2)}};
    if (which & 8) out.upgrade = UpgradeRequest{{number()}, {number()}};
    return out;
  }

  void hear_message(std::uint8_t which) {
    const auto type = static_cast<MessageType>(which % message_types);
    const auto say = [&](const auto& message) { hear(static_cast<std::uint64_t>(type), body_of(message)); };
    switch (type) {
      case MessageType::sync: {
        const std::uint8_t flags = choices_.byte();
        say(SyncMessage{{choices_.below(3)},
                        {number()},
                        {number()},
                        (flags & 1) != 0,
                        (flags & 2) != 0,
                        (flags & 4) != 0,
                        (flags & 8) != 0,
                        (flags & 16) != 0});
        break;
      }
      case MessageType::request:
        say(Request{number(), {choices_.below(3)}, parts(), choices_.byte() % 2 == 0, 0});
        break;
      case MessageType::cancel: say(Cancel{number()}); break;
      case MessageType::data: say(Data{number(), {choices_.below(3)}, {}, {}}); break;
      case MessageType::no_data:
        say(NoData{
            in_flight_.empty() || choices_.byte() % 2 == 0 ? number() : some_asked(choices_.byte())->first,
            static_cast<NoDataReason>(choices_.below(4))});
        break;
      case MessageType::want: say(Want{{number()}, {number()}, choices_.byte() % 4 == 0}); break;
      case MessageType::unwant: say(Unwant{{number()}, {number()}, false}); break;
      case MessageType::bitfield: say(BitfieldMessage{{32 * choices_.below(4)}, choices_.bytes(8)}); break;
      case MessageType::range: say(RangeMessage{choices_.byte() % 2 == 0, {number()}, {number()}}); break;
      case MessageType::extension: say(Extension{"x", choices_.bytes(choices_.byte())}); break;
    }
    look();
  }

  // What we asked, answered as the log has it, or with a part too few, or of another fork.
  void hear_answer(std::uint8_t which) {
    if (in_flight_.empty()) return;
    const auto [id, request] = *some_asked(which / 8);
    const int bend = which % 8;
    Data data{id, request.fork, {}, {}};
    Buffer manifest;
    if (request.manifest && log_.manifest) encode_manifest(*log_.manifest, manifest);
    data.manifest = manifest;
    if (auto proof = log_.answer(request.proof)) data.proof = std::move(*proof);
    if (bend == 1) data.proof.block.reset();
    if (bend == 2) data.proof.upgrade.reset();
    if (bend == 3) ++data.fork.value;
    if (bend == 4 && data.proof.block) ++data.proof.block->index.value;
    if (bend == 5 && data.proof.block) data.proof.block->value = {};
    hear(static_cast<std::uint64_t>(MessageType::data), body_of(data));
    look();
  }

  // -- What the owner does.

  void take_requests(std::uint8_t most) {
    auto requests = channel_.take_requests(1u + most);
    for (IncomingRequest& request : requests) held_.push_back(std::move(request));
  }

  void answer_one(std::uint8_t which) {
    if (held_.empty()) return;
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(which / 2 % held_.size());
    const IncomingRequest request = *at;
    held_.erase(at);
    const bool wanted = channel_.still_wanted(request.ticket);
    const std::size_t owed = wanted_.size();
    auto proof = log_.answer(request.parts);
    if (!proof || !writes_) {
      channel_.refuse(request.ticket, NoDataReason::not_available);
    } else if (which % 2 == 0) {
      channel_.answer(request.ticket, body_of(Data{request.id, request.fork, *proof, {}}));
    } else {
      OutgoingFrame frame;
      append(frame.tail(), body_of(Data{request.id, request.fork, *proof, {}}));
      channel_.answer(request.ticket, std::move(frame));
    }
    look(4096);
    expect(over_ || wanted_.size() + (wanted ? 1 : 0) == owed);
    expect(!channel_.still_wanted(request.ticket));
  }

  void take_data() {
    for (IncomingData& in : channel_.take_data()) {
      const bool shown = in.asked.parts == ProofRequest{};
      if (!shown) ++given_;
      expect(in.data.fork == in.asked.fork && (shown || answers(in.data.proof, in.asked.parts)));
      if (in.asked.parts.block && !in.data.proof.block) ++parted_;
      if (over_ || writes_ || in.asked.purpose != Purpose::blocks || in.asked.fork != reader_.head.fork)
        continue;
      std::optional<Manifest> sent;
      if (!in.data.manifest.empty())
        if (auto manifest = decode_manifest(in.data.manifest)) sent = std::move(*manifest);
      reader_.manifest = local_.manifest;
      if (!reader_.take(in.data.proof, sent ? &*sent : nullptr)) continue;
      if (!test::tells_the_truth(reader_, log_)) {
        expect(signed_elsewhere(reader_.head));
        end();
        continue;
      }
      local_.head = reader_.head;
      local_.manifest = reader_.manifest;
      channel_.local_changed();
      look();
      if (!in.data.proof.block) continue;
      const BlockIndex block = in.data.proof.block->index;
      local_.have.set(block);
      channel_.blocks_stored({block, block + Length{1}});
      look();
    }
  }

  // A recorded frame may carry a longer log than this input's, and its writer did sign that.
  bool signed_elsewhere(const TreeHead& head) const {
    const auto here = log_.states.find({head.fork.value, head.length.value});
    const bool is_here = here != log_.states.end() && here->second.signature == head.signature;
    return !is_here && sign_head(head, log_.manifest, log_.key, log_.keys) == head.signature;
  }

  void take_unanswered() { given_back_ += channel_.take_unanswered().size(); }

  void ask(std::uint8_t with_block) {
    if (over_ || !channel_.can_ask_upgrade()) return;
    ProofRequest parts;
    const Length length = local_.head.length;
    parts.upgrade = UpgradeRequest{length, channel_.remote().length - length};
    const BlockIndex next = end_of(length);
    if (with_block % 2 == 0 && channel_.remote_has().contains(next) && !asked_blocks().contains(next.value))
      parts.block = BlockRequest{next, 0};
    say_ask(Purpose::blocks, local_.head.fork, parts, !local_.manifest);
  }

  void ask_block(std::uint8_t which) {
    const std::uint64_t block = which % (longest + 2);
    if (over_ || asked_blocks().contains(block)) return;
    ProofRequest parts;
    parts.block = BlockRequest{{block}, missing_nodes(BlockIndex{block}, local_.head.length, local_.have)};
    if (block >= local_.head.length.value) parts.block->nodes = 0;
    say_ask(Purpose::blocks, local_.head.fork, parts, false);
  }

  void ask_fork_or_conflict() {
    ProofRequest parts;
    const Length length = channel_.remote().length;
    if (over_ || length.value == 0) return;
    parts.upgrade = UpgradeRequest{{}, length};
    if (channel_.can_ask_reorg())
      say_ask(Purpose::reorg, channel_.remote().fork, parts, false);
    else if (!in_flight_.contains(0))
      say_ask(Purpose::conflict, local_.head.fork, parts, false);
  }

  void say_ask(Purpose purpose, Fork fork, const ProofRequest& parts, bool manifest) {
    ++asked_;
    channel_.ask(purpose, fork, parts, manifest, asked_ % 2 == 0 ? Packing::shared : Packing::alone, now_);
    look();
  }

  void take_back(std::uint8_t which) {
    const auto blocks = asked_blocks();
    const std::uint64_t block = which % (longest + 2);
    if (over_) return;
    const bool taken = channel_.cancel_block({block});
    expect(taken == blocks.contains(block));
    if (taken) ++taken_back_;
    look();
  }

  void append_block() {
    const BlockIndex end = end_of(local_.head.length);
    if (!writes_ || over_ || end.value >= longest) return;
    log_.append(1);
    local_.head = log_.head;
    local_.have.set(end);
    channel_.local_changed();
    channel_.blocks_stored({end, end + Length{1}});
    look();
  }

  // Truncates or clears as a writer, clears as a reader.
  void cut(std::uint8_t where) {
    const BlockIndex end = end_of(local_.head.length);
    if (over_ || end.value == 0) return;
    const BlockIndex at{where / 2 % end.value};
    if (writes_ && where % 2 == 0) {
      log_.truncate({at.value}, {log_.head.fork.value + 1});
      local_.head = log_.head;
      local_.have.truncate(at);
      channel_.blocks_dropped({at, end});
    } else {
      local_.have.clear(at);
      channel_.blocks_dropped({at, at + Length{1}});
    }
    channel_.local_changed();
    look();
  }

  void end() {
    look();
    over_ = true;
    channel_.close();
    wanted_.clear();
    in_flight_.clear();
  }

  // -- What we say, against what is so.

  void look(std::size_t unasked = 512) {
    std::size_t said = 0;
    while (const auto frame = mux_.next_frame()) {
      said += frame->size();
      FrameReader reader;
      reader.load(frame->content());
      FrameEntry entry;
      for (auto step = reader.next(entry); step != FrameReader::Step::drained; step = reader.next(entry)) {
        expect(step == FrameReader::Step::entry || step == FrameReader::Step::passed);
        if (step == FrameReader::Step::entry && entry.channel != 0) check(entry.type, entry.body);
      }
    }
    expect(said <= unasked + 4 * std::exchange(heard_, 0));
    expect(over_ || channel_.in_flight() == in_flight_.size());
    expect(channel_.pending_requests() <= limits_.request_flood);
    expect(channel_.wants_input() == (channel_.pending_requests() < limits_.requests_channel));
    expect(channel_.remote_has().bytes() <= limits_.have_set_bytes);
  }

  void check(std::uint64_t type, Bytes body) {
    expect(!over_);
    switch (static_cast<MessageType>(type)) {
      case MessageType::sync: {
        const auto sync = decode_sync(body);
        expect(sync && (!said_sync_ || *said_sync_ != *sync));
        expect(sync->fork == local_.head.fork && sync->length == local_.head.length);
        expect(!sync->has_manifest || local_.manifest);
        said_sync_ = *sync;
        break;
      }
      case MessageType::request: {
        const auto request = decode_request(body);
        expect(request && in_flight_.emplace(request->id, *request).second);
        break;
      }
      case MessageType::cancel: {
        const auto cancel = decode_cancel(body);
        expect(cancel && in_flight_.erase(cancel->request) == 1);
        break;
      }
      case MessageType::data: {
        const auto data = decode_data(body, limits_);
        expect(data && wanted_.erase(data->request) == 1);
        break;
      }
      case MessageType::no_data: {
        const auto no_data = decode_no_data(body);
        expect(no_data && wanted_.erase(no_data->request) == 1);
        break;
      }
      case MessageType::want: expect(decode_want(body).has_value()); break;
      case MessageType::bitfield: {
        const auto field = decode_bitfield(body);
        expect(field.has_value());
        for (std::uint64_t bit = 0; bit < 32 * field->word_count(); ++bit)
          expect((field->word(bit / 32) >> bit % 32 & 1) == local_.have.test({field->start.value + bit}));
        break;
      }
      case MessageType::range: {
        const auto range = decode_range(body);
        expect(range.has_value());
        const BlockRange blocks{range->start, range->start + range->length};
        expect(range->drop ? !local_.have.any(blocks) : local_.have.all(blocks));
        break;
      }
      default: expect(false);  // we say nothing else
    }
  }

  std::map<std::uint64_t, Request>::const_iterator some_asked(std::size_t which) {
    return std::next(in_flight_.begin(), static_cast<std::ptrdiff_t>(which % in_flight_.size()));
  }

  std::set<std::uint64_t> asked_blocks() const {
    std::set<std::uint64_t> out;
    for (const auto& [id, request] : in_flight_)
      if (request.proof.block) out.insert(request.proof.block->index.value);
    return out;
  }

  Bytes keep(Buffer bytes) { return kept_.emplace_back(std::move(bytes)); }

  fuzz::Choices& choices_;
  LogWriter& log_;
  const bool writes_;
  const Limits& limits_ = small_limits();
  const WideHash hash_{};
  const Instant now_{};
  LocalCore local_;
  LogReader reader_{log_};
  Mux mux_{limits_};
  CoreChannel channel_{local_, mux_, limits_};
  std::deque<Buffer> kept_;  // views of what was heard stay good
  bool over_ = false;
  std::size_t heard_ = 0;

  std::optional<SyncMessage> said_sync_;
  std::set<std::uint64_t> wanted_;              // ids of the stranger's requests that are not answered
  std::map<std::uint64_t, Request> in_flight_;  // ours, by id
  std::vector<IncomingRequest> held_;           // taken, and not answered yet
  std::size_t asked_ = 0, given_ = 0, given_back_ = 0, taken_back_ = 0, parted_ = 0;
};

// Making one takes longer than a hundred steps; inputs that follow each other mostly share theirs.
const LogWriter& log_of(const Seed& seed, std::uint64_t blocks) {
  static std::optional<LogWriter> last;
  static Seed last_seed;
  if (!last || !equal(last_seed.bytes(), seed.bytes()) || last->blocks.size() != blocks) {
    last.emplace(crypto::key_pair(seed));
    last->append(blocks);
    last_seed = seed;
  }
  return *last;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  if (size < Seed::size + 2) return 0;
  const Seed seed = Seed::from(choices.bytes(Seed::size));
  const std::uint64_t blocks = 1 + choices.byte() % longest;
  const bool writes = choices.byte() % 2 == 1;
  LogWriter log = log_of(seed, blocks);
  Talk talk(choices, log, writes);
  talk.open();
  while (choices.left() && !talk.over()) talk.step();
  talk.finish();
  return 0;
}
