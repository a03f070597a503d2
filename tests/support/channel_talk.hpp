// One core channel in a test, with a peer that says what the test lets it say: no store, no stream, no clock.
//
// Both sides speak through a real mux. What our side says is noted as one line of text each:
//   sync 0/5 acks 0 can-upgrade manifest | request 1 @0 block 3+2 hash 6+1 seek 60 upgrade 0+5 manifest |
//   cancel 1 | data 1 | no_data 1 reason 1 | want 0+2097152 | bitfield 0 [8135] | range 0+5 | drop 3+2
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "protocol/core_channel.hpp"
#include "tests/support/log_world.hpp"

namespace sheaf::test {

inline std::string line_of(const SyncMessage& m) {
  std::string out = "sync " + std::to_string(m.fork.value) + "/" + std::to_string(m.length.value) + " acks " +
                    std::to_string(m.remote_length.value);
  if (m.can_upgrade) out += " can-upgrade";
  if (!m.uploading) out += " not-uploading";
  if (!m.downloading) out += " not-downloading";
  if (m.has_manifest) out += " manifest";
  if (m.allow_push) out += " push";
  return out;
}

inline std::string line_of(const Request& m) {
  const auto pair = [](std::uint64_t a, std::uint64_t b) {
    return std::to_string(a) + "+" + std::to_string(b);
  };
  std::string out = "request " + std::to_string(m.id) + " @" + std::to_string(m.fork.value);
  if (const auto& p = m.proof.block) out += " block " + pair(p->index.value, p->nodes);
  if (const auto& p = m.proof.hash) out += " hash " + pair(p->index.value, p->nodes);
  if (const auto& p = m.proof.seek) out += " seek " + std::to_string(p->bytes.value);
  if (const auto& p = m.proof.upgrade) out += " upgrade " + pair(p->start.value, p->length.value);
  if (m.manifest) out += " manifest";
  return out;
}

// One message of the channel as its line. Requires: it decodes.
inline std::string line_of(std::uint64_t type, Bytes body) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  switch (static_cast<MessageType>(type)) {
    case MessageType::sync: return line_of(*decode_sync(body));
    case MessageType::request: return line_of(*decode_request(body));
    case MessageType::cancel: return "cancel " + number(decode_cancel(body)->request);
    case MessageType::data: return "data " + number(decode_data(body, {})->request);
    case MessageType::no_data: {
      const auto m = *decode_no_data(body);
      return "no_data " + number(m.request) + " reason " + number(static_cast<std::uint64_t>(m.reason));
    }
    case MessageType::want: {
      const auto m = *decode_want(body);
      return "want " + number(m.start.value) + "+" + number(m.length.value);
    }
    case MessageType::unwant: {
      const auto m = *decode_unwant(body);
      return "unwant " + number(m.start.value) + "+" + number(m.length.value);
    }
    case MessageType::bitfield: {
      const auto m = *decode_bitfield(body);
      std::string out = "bitfield " + number(m.start.value) + " [";
      for (std::size_t i = 0; i < m.word_count(); ++i) out += (i ? " " : "") + number(m.word(i));
      return out + "]";
    }
    case MessageType::range: {
      const auto m = *decode_range(body);
      return (m.drop ? "drop " : "range ") + number(m.start.value) + "+" + number(m.length.value);
    }
    case MessageType::extension: return "extension";
  }
  return "type " + number(type);
}

inline Buffer encoded_data(const Data& data) {
  Buffer out;
  Writer writer(out);
  encode(writer, data);
  return out;
}

// Our side of a core, as its writer has it, or as somebody has it who knows nothing but the key.
inline LocalCore local_of(const LogWriter& log, bool whole = true) {
  LocalCore out;
  out.key = log.key;
  if (!whole) return out;
  out.manifest = log.manifest;
  out.head = log.head;
  out.have.set(BlockRange{{}, end_of(log.head.length)});
  return out;
}

class ChannelTalk {
 public:
  using Lines = std::vector<std::string>;

  // `blocks` in our core; the peer says nothing by itself.
  explicit ChannelTalk(std::uint64_t blocks, bool compat = false)
      : log(key_pair_of(7), compat), local(local_of(log)) {
    if (blocks > 0) {
      log.append(blocks);
      local = local_of(log);
    }
  }

  // Both open; gives what we say first.
  Lines open(Role role = Role::initiator) {
    channel.open(role, hash);
    Buffer handshake;
    Writer writer(handshake);
    encode(writer, ChannelHandshake{true, capability(log.key, hash, other(role))});
    their_id = theirs.open(core_protocol, discovery_key(log.key).bytes(), handshake);
    return carry();
  }

  // Carries frames both ways until both sides are silent, and gives what we said.
  Lines carry() {
    for (bool said = true; said && !ended;) {
      said = false;
      while (auto frame = ours.next_frame()) {
        said = true;
        ++frames_said;
        hear(theirs, frame->content(), [&](const MuxEvent& event) {
          if (const auto* message = std::get_if<ChannelMessage>(&event))
            lines_.push_back(line_of(message->type, message->body));
        });
      }
      while (auto frame = theirs.next_frame()) {
        said = true;
        hear(ours, frame->content(), [&](const MuxEvent& event) {
          if (ended) return;
          if (const auto* opened = std::get_if<ChannelOpened>(&event))
            ended = channel.opened(opened->handshake, now);
          if (const auto* message = std::get_if<ChannelMessage>(&event))
            ended = channel.receive(message->type, message->body, Slab(), now);
        });
      }
    }
    return std::exchange(lines_, {});
  }

  // The peer says this; gives what we say to it.
  template <class Message>
  Lines say(MessageType type, const Message& message) {
    theirs.send_with(their_id, static_cast<std::uint64_t>(type),
                     [&](Writer& body) { encode(body, message); });
    return carry();
  }
  Lines say(const SyncMessage& m) { return say(MessageType::sync, m); }
  Lines say(const Request& m) { return say(MessageType::request, m); }
  Lines say(const Cancel& m) { return say(MessageType::cancel, m); }
  Lines say(const Data& m) { return say(MessageType::data, m); }
  Lines say(const NoData& m) { return say(MessageType::no_data, m); }
  Lines say(const Want& m) { return say(MessageType::want, m); }
  Lines say(const Unwant& m) { return say(MessageType::unwant, m); }
  Lines say(const RangeMessage& m) { return say(MessageType::range, m); }

  // The peer is of this length on our fork, as it knows us to be of `acked`.
  Lines peer_is(std::uint64_t length, std::uint64_t acked, bool can_upgrade = false, std::uint64_t fork = 0) {
    SyncMessage sync;
    sync.fork = {fork};
    sync.length = {length};
    sync.remote_length = {acked};
    sync.can_upgrade = can_upgrade;
    sync.has_manifest = true;
    return say(sync);
  }

  Lines ask_block(std::uint64_t index, std::uint64_t nodes = 0) {
    ProofRequest parts;
    parts.block = BlockRequest{{index}, nodes};
    channel.ask(Purpose::blocks, local.head.fork, parts, false, Packing::shared, now);
    return carry();
  }

  // Grows our core and tells the channel, as its owner does.
  Lines append(std::uint64_t count) {
    const BlockIndex first = end_of(log.head.length);
    log.append(count);
    local.head = log.head;
    local.have.set(BlockRange{first, end_of(log.head.length)});
    channel.local_changed();
    channel.blocks_stored({first, end_of(log.head.length)});
    return carry();
  }

  Limits limits;
  LogWriter log;
  LocalCore local;
  Mux ours{limits};
  Mux theirs{limits};
  CoreChannel channel{local, ours, limits};
  LocalId their_id{};
  WideHash hash{};
  Instant now{};
  std::optional<SessionEnd> ended;
  std::size_t frames_said = 0;

 private:
  template <class On>
  void hear(Mux& mux, Bytes frame, On on) {
    mux.receive(frames_.emplace_back(to_buffer(frame)), now);
    do {
      while (const auto event = mux.next_event()) on(*event);
    } while (mux.intake() == Intake::has_more);
  }

  std::deque<Buffer> frames_;  // views of what was heard stay good
  Lines lines_;
};

}  // namespace sheaf::test
