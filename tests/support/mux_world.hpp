// Two muxes that talk to each other, driven by a row of bytes: open, close, say, decide late or never, carry
// one frame now and the next one later. Whatever the row, two honest ends must agree; broken agreement
// throws.
//
// What is checked: no end ever fails; a channel hears the messages of one opening of its peer only, from the
// first one on, none missing, none twice; in the end everything that was said is heard, both sides have
// the same channels open, and numbers and parked bytes are all free again once all is closed.
#pragma once

#include <deque>
#include <map>
#include <stdexcept>
#include <string>

#include "protocol/mux.hpp"

namespace sheaf::test {

class MuxWorld {
 public:
  explicit MuxWorld(Bytes row) : row_(row) {
    limits_.pending_opens = 3;
    limits_.pending_open_bytes = 2'000;
    limits_.batch_slice = 5;
  }

  void run() {
    while (!row_.empty()) step();
    settle();
    agree();
    for (End* end : {&a_, &b_})
      while (!end->channels.empty()) close(*end, end->channels.begin()->first);
    settle();
    for (const End* end : {&a_, &b_}) {
      expect(end->mux.channel_count() == 0, "all channels are gone");
      expect(end->mux.pending_opens() == 0, "no open is pending");
    }
  }

  std::size_t messages_heard() const { return heard_; }

 private:
  struct Channel {
    std::uint64_t name;    // its identity
    std::uint64_t serial;  // of this opening
    std::uint64_t said = 0;
    bool opened = false;
    std::uint64_t peer = 0;  // the serial of the other side's opening
    std::uint64_t heard = 0;
  };
  struct End {
    explicit End(const Limits& limits) : mux(limits) {}
    Mux mux;
    std::deque<OutgoingFrame> arriving;
    std::optional<OutgoingFrame> present;  // the frame that the mux reads
    std::map<LocalId, Channel> channels;
    std::map<OpenTicket, std::uint64_t> undecided;
  };

  static void expect(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
  }

  std::uint64_t draw() {
    if (row_.empty()) return 0;
    const auto out = std::to_integer<std::uint64_t>(row_.front());
    row_ = row_.subspan(1);
    return out;
  }

  End& other(End& end) { return &end == &a_ ? b_ : a_; }

  void step() {
    const std::uint64_t what = draw();
    End& end = what & 1 ? a_ : b_;
    switch ((what >> 1) % 8) {
      case 0: return open(end, draw() % 4);
      case 1:
        if (draw() % 4 == 0 && !end.channels.empty()) close(end, pick(end));
        return;
      case 2:
      case 3:
        if (!end.channels.empty()) say(end, pick(end));
        return;
      case 4: return flush(end);
      case 5: return hear_one(end);
      case 6: return decide(end);
      case 7: return wait(end, std::chrono::milliseconds(draw() * 100));
    }
  }

  LocalId pick(End& end) {
    auto place = end.channels.begin();
    std::advance(place, static_cast<std::ptrdiff_t>(draw() % end.channels.size()));
    return place->first;
  }

  static Buffer spelled(std::initializer_list<std::uint64_t> numbers) {
    Buffer out;
    Writer writer(out);
    for (const std::uint64_t number : numbers) writer.uint(number);
    return out;
  }

  void open(End& end, std::uint64_t name) {
    const Buffer id = spelled({name});
    if (end.mux.has_channel("p", id)) return;
    const std::uint64_t serial = ++serials_;
    const LocalId channel = end.mux.open("p", id, spelled({serial}));
    expect(end.channels.emplace(channel, Channel{name, serial}).second, "a number is given to one channel");
    pull(end);
  }

  void close(End& end, LocalId channel) {
    end.mux.close(channel);
    end.channels.erase(channel);
    pull(end);
  }

  void say(End& end, LocalId channel) {
    Channel& at = end.channels.at(channel);
    Buffer body = spelled({at.serial, at.said++});
    const std::uint64_t how = draw();
    body.resize(body.size() + (how % 16 == 0 ? 70'000 : how % 300));
    switch (how % 4) {
      case 0: end.mux.send(channel, 3, body); break;
      case 1: end.mux.send(channel, 3, body, Packing::alone); break;
      case 2: end.mux.send_with(channel, 3, [&](Writer& out) { out.raw(body); }); break;
      case 3: {
        OutgoingFrame frame;
        append(frame.tail(), body);
        end.mux.send_frame(channel, 3, std::move(frame));
      }
    }
  }

  void flush(End& end) {
    while (auto frame = end.mux.next_frame()) other(end).arriving.push_back(std::move(*frame));
    expect(end.mux.queued_bytes() == 0, "nothing is left to say");
  }

  void hear_one(End& end) {
    pull(end);
    if (end.mux.intake() != Intake::wants_frame || end.arriving.empty()) return;
    end.present = std::move(end.arriving.front());
    end.arriving.pop_front();
    end.mux.receive(end.present->content(), now_);
    pull(end);
  }

  void decide(End& end) {
    if (end.undecided.empty()) return;
    const auto [ticket, name] = *end.undecided.begin();
    end.undecided.erase(end.undecided.begin());
    if (draw() % 3 == 0)
      end.mux.reject(ticket);
    else
      open(end, name);
    pull(end);
  }

  void wait(End& end, Duration time) {
    now_ = now_ + time;
    end.mux.on_time(now_);
    pull(end);
  }

  void pull(End& end) {
    do {
      while (const auto event = end.mux.next_event()) std::visit([&](const auto& e) { on(end, e); }, *event);
    } while (end.mux.intake() == Intake::has_more);
  }

  void on(End& end, const OpenRequested& e) {
    Reader name(e.id);
    end.undecided[e.ticket] = name.uint();
    expect(e.protocol == "p" && name.ok(), "an open is heard as it was said");
  }
  void on(End& end, const OpenWithdrawn& e) { end.undecided.erase(e.ticket); }
  void on(End& end, const ChannelOpened& e) {
    Channel& channel = end.channels.at(e.channel);
    Reader handshake(e.handshake);
    channel.peer = handshake.uint();
    expect(!channel.opened && handshake.ok(), "a channel opens once");
    channel.opened = true;
  }
  void on(End& end, const ChannelMessage& e) {
    Channel& channel = end.channels.at(e.channel);
    Reader body(e.body);
    const std::uint64_t serial = body.uint(), number = body.uint();
    expect(e.type == 3 && body.ok(), "a message is heard as it was said");
    expect(channel.opened && serial == channel.peer, "a channel hears the opening that it is paired with");
    expect(number == channel.heard++, "no message is missing or moved");
    ++heard_;
  }
  void on(End& end, const ChannelClosed& e) {
    const auto place = end.channels.find(e.channel);
    expect(place != end.channels.end(), "a channel closes once");
    expect(!(e.rejected && place->second.opened), "only an unanswered channel is rejected");
    end.channels.erase(place);
  }
  [[noreturn]] void on(End&, const MuxFailed&) { throw std::logic_error("an honest end never fails"); }

  // Lets everything arrive; opens that nobody decides expire.
  void settle() {
    for (int quiet = 0; quiet < 3;) {
      ++quiet;
      for (End* end : {&a_, &b_}) {
        flush(*end);
        while (!end->arriving.empty() && end->mux.intake() == Intake::wants_frame) {
          hear_one(*end);
          quiet = 0;
        }
        if (end->mux.next_deadline()) {
          wait(*end, limits_.pending_open_ms);
          quiet = 0;
        }
      }
    }
    for (const End* end : {&a_, &b_}) {
      expect(end->arriving.empty(), "everything has arrived");
      expect(end->mux.intake() == Intake::wants_frame, "everything was read");
    }
  }

  void agree() {
    expect(a_.channels.size() == b_.channels.size(), "both sides have as many channels");
    for (const auto& [id, ours] : a_.channels) {
      expect(ours.opened, "every channel was answered");
      bool found = false;
      for (const auto& [their_id, theirs] : b_.channels)
        if (ours.peer == theirs.serial)
          found = theirs.peer == ours.serial && theirs.name == ours.name && theirs.heard == ours.said &&
                  ours.heard == theirs.said;
      expect(found, "both sides agree on who is paired, and have heard all that was said");
    }
  }

  Limits limits_;
  Bytes row_;
  Instant now_;
  End a_{limits_};
  End b_{limits_};
  std::uint64_t serials_ = 0;
  std::size_t heard_ = 0;
};

}  // namespace sheaf::test
