// Two coordinator channels over two muxes, and a stranger who says what a test lets it say: no stream, no
// store, no clock but `now`.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "protocol/coordinator_channel.hpp"
#include "tests/support/coordinator_vectors.hpp"

namespace sheaf::test {

// One side of a session: a mux, what arrives at it, and what its channel ended with.
struct CoordinatorEnd {
  Limits limits;
  CoordinatorLocal local;
  CoordinatorChannel::Options options;
  Mux mux{limits};
  std::optional<CoordinatorChannel> channel;
  std::optional<SessionEnd> ended;
  std::deque<Buffer> arriving;
  std::size_t messages_heard = 0;
  std::size_t bytes_said = 0;
  // What the other side told, as a node would fetch it.
  std::map<CoreKey, coordinator::Head> learnt;
  bool follows = true;  // takes every head that it hears of as its own, at once

  CoordinatorEnd() {
    local.describe = [](const Element& element) {
      return coordinator::Item{.holding = coordinator::Holding::db_and_blobs,
                               .bare = false,
                               .key = element.key,
                               .fork = element.fork,
                               .length = element.length,
                               .blobs = coordinator::Head{}};
    };
  }
  void hold(const std::vector<KeyedHead>& elements) {
    for (const KeyedHead& each : elements) local.elements.set(each.key, each.fork, each.length);
  }
  void start(Role role, const WideHash& hash, Instant now) {
    channel.emplace(local, mux, limits, options);
    channel->open(role, hash, now);
  }
  void take(Instant now) {
    for (const auto& item : channel->take_items()) {
      const bool known = local.elements.find(slot_of(item.key)) != nullptr;
      known ? channel->refund_known(1) : channel->refund_new(1, now);
      learn(item.key, {item.fork, item.length});
    }
    for (const auto& behind : channel->take_behind()) learn(behind.key, behind.head);
    if (channel->state() == CoordinatorChannel::State::proved) channel->dealt_with(true, false);
    channel->pump(now);
  }
  void learn(const CoreKey& key, coordinator::Head head) {
    auto& known = learnt[key];
    if (newer(head.fork, head.length, known.fork, known.length)) known = head;
    const Element* mine = local.elements.find(slot_of(key));
    if (follows && (!mine || newer(head.fork, head.length, mine->fork, mine->length)))
      local.elements.set(key, head.fork, head.length);
  }
  void hear(const MuxEvent& event, Instant now) {
    if (ended) return;
    if (const auto* opened = std::get_if<ChannelOpened>(&event))
      ended = channel->opened(opened->handshake, now);
    if (const auto* message = std::get_if<ChannelMessage>(&event)) {
      ++messages_heard;
      ended = channel->receive(message->type, message->body, now);
    }
    if (const auto* closed = std::get_if<ChannelClosed>(&event)) channel->closed(closed->rejected);
    if (const auto* open = std::get_if<OpenRequested>(&event)) mux.reject(open->ticket);
  }
  template <class Hear>
  void read_one(Instant now, Hear hear_event) {
    const Buffer frame = std::move(arriving.front());
    arriving.pop_front();
    mux.receive(frame, now);
    do {
      while (const auto event = mux.next_event()) hear_event(*event);
    } while (mux.intake() == Intake::has_more);
  }
};

inline WideHash some_handshake_hash() { return unhex_as<WideHash>(std::string(128, '7')); }

struct CoordinatorPair {
  CoordinatorEnd a;  // the Noise initiator
  CoordinatorEnd b;
  Instant now{seconds(1'000)};

  using seconds = std::chrono::seconds;
  void start() {
    a.start(Role::initiator, some_handshake_hash(), now);
    b.start(Role::responder, some_handshake_hash(), now);
  }
  // Moves what was said to the other side, for as long as there is something and `most` messages are not
  // read.
  void talk(std::size_t most = ~std::size_t{0}) {
    for (bool said = true; said;) {
      said = false;
      for (CoordinatorEnd* end : {&a, &b}) {
        CoordinatorEnd& other = end == &a ? b : a;
        while (auto frame = end->mux.next_frame()) {
          other.arriving.push_back(to_buffer(frame->content()));
          end->bytes_said += frame->content().size();
        }
      }
      for (CoordinatorEnd* end : {&a, &b}) {
        if (end->arriving.empty()) continue;
        if (a.messages_heard + b.messages_heard >= most) return;
        said = true;
        end->read_one(now, [&](const MuxEvent& event) { end->hear(event, now); });
        if (!end->ended) end->take(now);
      }
    }
  }
  void wait(Duration time) {
    const Instant end = now + time;
    for (;;) {
      talk();
      std::optional<Instant> next;
      for (const CoordinatorEnd* each : {&a, &b})
        if (const auto at = each->channel->next_deadline(); at && (!next || *at < *next)) next = at;
      if (!next || *next > end) break;
      now = std::max(now, *next);
      for (CoordinatorEnd* each : {&a, &b}) {
        each->channel->on_time(now);
        each->take(now);
      }
    }
    now = end;
  }
  // The element is of this length at one end, or appears there.
  void change(CoordinatorEnd& at, const CoreKey& key, std::uint64_t length) {
    const Element* known = at.local.elements.find(slot_of(key));
    at.local.elements.set(key, known ? known->fork : Fork{}, {length});
    at.channel->element_changed(slot_of(key), now);
    at.channel->pump(now);
  }
};

// A peer made of a mux alone, on the other side of one honest channel.
struct CoordinatorStranger {
  CoordinatorEnd honest;
  Limits limits;
  Mux mux{limits};
  LocalId id{};
  Instant now{std::chrono::seconds(1'000)};
  Role role = Role::responder;
  CoordinatorKeys keys{open_bundle_secret(), some_handshake_hash()};
  struct Heard {
    std::uint64_t type;
    Buffer body;
  };
  std::vector<Heard> heard;
  std::deque<Buffer> frames;

  explicit CoordinatorStranger(Role ours = Role::responder) : role(ours) { honest.follows = false; }
  void open(const coordinator::Handshake& handshake) {
    if (!honest.channel) honest.start(other(role), some_handshake_hash(), now);
    id = mux.open(coordinator::protocol_name, keys.topic().bytes(), body_of(handshake));
    carry();
  }
  coordinator::Handshake proper() const {
    coordinator::Handshake out;
    out.proof = keys.proof(role);
    return out;
  }
  void open() { open(proper()); }
  void say_bytes(coordinator::MessageType type, Bytes body) {
    if (open_) mux.send(id, static_cast<std::uint64_t>(type), body);
    carry();
  }
  template <class Message>
  void say(coordinator::MessageType type, const Message& message) {
    say_bytes(type, body_of(message));
  }
  // Says a root; its digest is that of no set unless `like` is given.
  void say_root(std::uint64_t count, std::uint64_t credit = 1'000, bool closed = false) {
    coordinator::Root root;
    root.closed = closed;
    root.count = count;
    root.credit = credit;
    say(coordinator::MessageType::root, root);
  }
  void carry() {
    for (bool said = true; said;) {
      said = false;
      while (auto frame = mux.next_frame()) {
        said = true;
        honest.arriving.push_back(to_buffer(frame->content()));
        honest.read_one(now, [&](const MuxEvent& event) { honest.hear(event, now); });
        if (!honest.ended) honest.take(now);
      }
      while (auto frame = honest.mux.next_frame()) {
        said = true;
        mux.receive(frames.emplace_back(to_buffer(frame->content())), now);
        while (const auto event = mux.next_event()) {
          if (const auto* message = std::get_if<ChannelMessage>(&*event))
            heard.push_back({message->type, to_buffer(message->body)});
          if (std::holds_alternative<ChannelClosed>(*event)) open_ = false;
        }
      }
    }
  }
  void wait(Duration time) {
    now = now + time;
    honest.channel->on_time(now);
    honest.take(now);
    carry();
  }
  std::size_t count(coordinator::MessageType type) const {
    return static_cast<std::size_t>(
        std::ranges::count(heard, static_cast<std::uint64_t>(type), &Heard::type));
  }
  std::optional<coordinator::ByeReason> bye() const {
    for (const Heard& each : heard)
      if (each.type == static_cast<std::uint64_t>(coordinator::MessageType::bye))
        return coordinator::decode_bye(each.body)->reason;
    return std::nullopt;
  }
  bool open_ = true;
};

}  // namespace sheaf::test
