// F14, channel: whatever a proved stranger says, in any order and at any time, to a channel of either role.
// It keeps its bounds, says nothing that does not decode, and asks for no more than it may.
#include "protocol/coordinator_channel.hpp"
#include "protocol/crypto.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::Choices;
using fuzz::expect;
using State = CoordinatorChannel::State;

namespace {

CoordinatorLocal bundle_of(std::size_t count) {
  CoordinatorLocal out;
  for (std::size_t n = 0; n < count; ++n) {
    const Hash key = crypto::blake2b({as_bytes("archive " + std::to_string(n))});
    out.elements.set(CoreKey::from(key.bytes()), {n % 3}, {n % 7});
  }
  out.describe = [](const Element& element) {
    coordinator::Item item;
    item.key = element.key;
    item.fork = element.fork;
    item.length = element.length;
    return item;
  };
  return out;
}

bool decodes(std::uint64_t type, Bytes body) {
  using coordinator::MessageType;
  switch (static_cast<MessageType>(type)) {
    case MessageType::root: return coordinator::decode_root(body).has_value();
    case MessageType::nodes: return coordinator::decode_nodes(body).has_value();
    case MessageType::need: return coordinator::decode_need(body).has_value();
    case MessageType::items: return coordinator::decode_items(body).has_value();
    case MessageType::ask: return coordinator::decode_ask(body).has_value();
    case MessageType::tell: return coordinator::decode_tell(body).has_value();
    case MessageType::credit: return coordinator::decode_credit(body).has_value();
    case MessageType::settled: return coordinator::decode_settled(body).has_value();
    case MessageType::refuse: return coordinator::decode_refuse(body).has_value();
    case MessageType::bye: return coordinator::decode_bye(body).has_value();
    case MessageType::peers: return false;  // never said
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static CoordinatorLocal bundles[] = {bundle_of(0), bundle_of(20), bundle_of(600)};
  static const Limits limits;
  Choices choices(data, size);
  CoordinatorLocal& local = bundles[choices.below(3)];
  const std::uint8_t flags = choices.byte();
  local.closed = (flags & 1) != 0;
  const Role role = (flags & 2) != 0 ? Role::initiator : Role::responder;
  Mux ours(limits);
  Mux theirs(limits);
  const WideHash hash{};
  const CoordinatorKeys keys(local.secret, hash);
  Instant now{std::chrono::seconds(1)};
  CoordinatorChannel channel(local, ours, limits, {.credit = 50, .trusted = (flags & 4) != 0});
  channel.open(role, hash, now);
  coordinator::Handshake handshake;
  handshake.proof = keys.proof(other(role));
  Buffer opening;
  Writer writer(opening);
  coordinator::encode(writer, handshake);
  const LocalId id = theirs.open(coordinator::protocol_name, keys.topic().bytes(), opening);

  bool ended = false;
  bool open = true;
  std::size_t items_taken = 0;
  const auto carry = [&] {
    for (bool said = true; said && !ended;) {
      said = false;
      while (auto frame = theirs.next_frame()) {
        said = true;
        const Buffer bytes = to_buffer(frame->content());
        ours.receive(bytes, now);
        do {
          while (const auto event = ours.next_event()) {
            std::optional<SessionEnd> end;
            if (const auto* opened = std::get_if<ChannelOpened>(&*event))
              end = channel.opened(opened->handshake, now);
            if (const auto* message = std::get_if<ChannelMessage>(&*event))
              end = channel.receive(message->type, message->body, now);
            if (std::holds_alternative<ChannelClosed>(*event)) channel.closed(false);
            ended = ended || end.has_value();
          }
        } while (ours.intake() == Intake::has_more);
      }
      while (auto frame = ours.next_frame()) {
        said = true;
        const Buffer bytes = to_buffer(frame->content());
        theirs.receive(bytes, now);
        while (const auto event = theirs.next_event()) {
          if (const auto* message = std::get_if<ChannelMessage>(&*event))
            expect(message->body.size() <= coordinator::body_most && decodes(message->type, message->body));
          if (std::holds_alternative<ChannelClosed>(*event)) open = false;
        }
      }
    }
  };
  carry();
  while (choices.left() && !ended && open) {
    const std::uint8_t what = choices.byte();
    const Bytes body = choices.bytes(choices.below(2'048));
    if (what < 16) {
      now = now + std::chrono::milliseconds(std::uint64_t{what} * what * 200);
      channel.on_time(now);
    } else if (what < 32) {
      const Hash key = crypto::blake2b({as_bytes("archive " + std::to_string(what))});
      channel.element_changed(slot_of(CoreKey::from(key.bytes())), now);
      if ((what & 1) != 0) channel.ask({CoreKey::from(key.bytes())});
      channel.pump(now);
    } else {
      theirs.send(id, what % 11, body);
    }
    carry();
    const auto items = channel.take_items();
    items_taken += items.size();
    channel.take_behind();
    channel.take_refused();
    channel.take_held();
    if (channel.state() == State::proved) channel.dealt_with((what & 1) != 0, false);
    expect(channel.memory_bytes() < 2 * 1024 * 1024);
    expect(items_taken <= 50);  // nothing was given back
  }
  return 0;
}
