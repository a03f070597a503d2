// The recorded sessions of the reference, every mux frame of both directions: taken apart into the messages
// that were recorded with it, and put together again into the same bytes.
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/message_json.hpp"
#include "tests/support/mux_script.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

const Limits defaults;

// What a session file leaves out: false flags, absent parts, hashes, signatures.
json abridged(json message) {
  json out = json::object();
  for (auto& [key, value] : message.items()) {
    if (value.is_null() || value == false || key == "signature") continue;
    if (key == "nodes" && value.is_array()) {
      out[key] = json::array();
      for (const json& node : value) out[key].push_back(node["index"]);
    } else if (key == "additionalNodes") {
      out[key] = json::array();
      for (const json& node : value) out[key].push_back(node["index"]);
    } else {
      out[key] = value.is_object() ? abridged(value) : value;
    }
  }
  return out;
}

struct Shown {
  std::string name;
  json value;
  Buffer again;
};

template <class Message>
Shown show(const char* name, const Result<Message>& message) {
  REQUIRE(message.has_value());
  return {name, abridged(shown(*message)), encoded(*message)};
}

Shown show(std::uint64_t type, Bytes body) {
  REQUIRE(type < message_types);
  switch (static_cast<MessageType>(type)) {
    case MessageType::sync: return show("sync", decode_sync(body));
    case MessageType::request: return show("request", decode_request(body));
    case MessageType::cancel: return show("cancel", decode_cancel(body));
    case MessageType::data: return show("data", decode_data(body, defaults));
    case MessageType::no_data: return show("noData", decode_no_data(body));
    case MessageType::want: return show("want", decode_want(body));
    case MessageType::unwant: return show("unwant", decode_unwant(body));
    case MessageType::bitfield: return show("bitfield", decode_bitfield(body));
    case MessageType::range: return show("range", decode_range(body));
    case MessageType::extension: return show("extension", decode_extension(body));
  }
  FAIL("no such type");
  return {};
}

// One side of the session: hears its peer's frames, and says again what that peer said.
struct Side {
  Mux ear{defaults};
  Mux mouth{defaults};
  std::map<std::uint32_t, LocalId> channels;  // ear's number -> mouth's
};

}  // namespace

TEST_CASE("all six recorded sessions decode to their recorded messages and encode to their recorded bytes") {
  int frames = 0, messages = 0, identical = 0;
  std::map<std::string, int> kinds;
  for (const char* name :
       {"wire/session-download.json", "wire/session-live-append.json", "wire/session-push.json",
        "wire/session-sparse-get.json", "wire/session-sparse-provider.json", "wire/session-truncate.json"}) {
    const json file = vectors(name);
    std::map<std::string, Side> sides;
    for (const json& entry : file["frames"]) {
      if (!entry.contains("hex")) continue;
      CAPTURE(name);
      CAPTURE(entry.dump());
      Side& side = sides[entry["from"]];
      const Buffer frame = unhex(entry["hex"]);
      ++frames;

      json heard = json::array();
      const auto take = [&](std::uint64_t channel, const char* kind, json value) {
        heard.push_back({{"channel", channel}, {kind, std::move(value)}});
        ++kinds[kind];
        ++messages;
      };
      side.ear.receive(frame, {});
      while (const auto event = side.ear.next_event()) {
        if (const auto* open = std::get_if<OpenRequested>(&*event)) {
          const auto handshake = decode_channel_handshake(open->handshake);
          REQUIRE(handshake.has_value());
          const LocalId ours = side.ear.open(open->protocol, open->id, {});
          side.channels[ours.value] = side.mouth.open(open->protocol, open->id, encoded(*handshake));
          heard.push_back({{"open",
                            {{"channel", side.channels[ours.value].value},
                             {"protocol", open->protocol},
                             {"id", hex(open->id)},
                             {"handshake", shown(*handshake)}}}});
          ++kinds["open"];
          ++messages;
        } else if (const auto* message = std::get_if<ChannelMessage>(&*event)) {
          const Shown body = show(message->type, message->body);
          CHECK(hex(body.again) == hex(message->body));
          const LocalId channel = side.channels.at(message->channel.value);
          side.mouth.send(channel, message->type, body.again);
          take(channel.value, body.name.c_str(), body.value);
        } else {
          CHECK(std::holds_alternative<ChannelOpened>(*event));
        }
      }
      CHECK(side.ear.intake() == Intake::wants_frame);
      CHECK(heard == entry["decoded"]);

      // The same bytes again, but that we do not wrap a single message in a batch.
      const Lines again = said(side.mouth);
      REQUIRE(again.size() == 1);
      if (entry.contains("batch") && heard.size() == 1) {
        FrameReader recorded, ours;
        FrameEntry of_recorded, of_ours;
        const Buffer said_again = bytes_of(again[0]);
        recorded.load(frame);
        ours.load(said_again);
        CHECK(recorded.next(of_recorded) == FrameReader::Step::passed);
        CHECK(recorded.next(of_recorded) == FrameReader::Step::entry);
        CHECK(ours.next(of_ours) == FrameReader::Step::entry);
        CHECK(of_ours.channel == of_recorded.channel);
        CHECK(of_ours.type == of_recorded.type);
        CHECK(equal(of_ours.body, of_recorded.body));
      } else {
        CHECK(again[0] == hex(frame));
        ++identical;
      }
    }
  }
  CHECK(frames == 129);
  MESSAGE(frames, " frames, ", messages, " messages, ", identical, " frames said again byte by byte");
  for (const auto& [kind, count] : kinds) MESSAGE(kind, ": ", count);
}
