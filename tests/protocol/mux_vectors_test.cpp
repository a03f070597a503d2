// The recorded mux frames: what we say, what we hear, and what ends a session.
#include <sstream>

#include <doctest/doctest.h>

#include "protocol/messages.hpp"
#include "tests/support/mux_script.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

const Limits defaults;

// The n-th recorded frame.
std::string frame(const json& file, std::size_t n, const char* direction) {
  const json& entry = file["frames"][n];
  REQUIRE(entry["dir"] == direction);
  return entry["hex"];
}

}  // namespace

TEST_CASE("every recorded frame of mux.json is said as recorded, or heard as recorded") {
  const json file = vectors("wire/mux.json");
  const Buffer id = unhex(file["id"]);
  const auto sent = [&](std::size_t n) { return Lines{frame(file, n, "sent")}; };
  const auto received = [&](std::size_t n) { return frame(file, n, "received"); };
  REQUIRE(file["frames"].size() == 16);

  Mux mux(defaults);
  const LocalId one = mux.open("proto/one", id, bytes_of("07"));
  CHECK(said(mux) == sent(0));
  const LocalId two = mux.open("proto/two", {}, {});
  CHECK(said(mux) == sent(1));
  mux.send(one, 0, bytes_of("026869"));
  CHECK(said(mux) == sent(2));

  CHECK(hear(mux, received(3)) == Lines{"opened 1 09"});
  CHECK(hear(mux, received(4)) == Lines{"message 1/0 02796f"});
  CHECK(hear(mux, received(5)) == Lines{"message 1/5 aabb"});  // unknown to its owner, who ignores it
  CHECK(hear(mux, received(6)) == Lines{});
  CHECK(hear(mux, received(7)) == Lines{});

  mux.send(one, 0, bytes_of("0161"));
  mux.send(one, 1, bytes_of("0102"));
  mux.send(two, 0, bytes_of("fd2c01"));
  mux.send(one, 0, bytes_of("0162"));
  CHECK(said(mux) == sent(8));
  // The reference wraps even one message; we say it plainly, which is the same message.
  mux.send(two, 0, bytes_of("01"));
  CHECK(said(mux) == Lines{"020001"});
  CHECK(frame(file, 9, "sent") == "000002020001");
  Mux other(defaults);
  hear(other, frame(file, 0, "sent"));
  hear(other, frame(file, 1, "sent"));
  other.open("proto/one", id, {});
  other.open("proto/two", {}, {});
  drain(other);
  CHECK(hear(other, frame(file, 9, "sent")) == Lines{"message 2/0 01"});

  CHECK(hear(mux, received(10)) == Lines{"message 1/0 0161", "message 1/1 ff"});

  mux.open("p3", {}, {});
  mux.send(one, 0, bytes_of("0163"));
  mux.close(two);
  CHECK(said(mux) == sent(11));
  CHECK(hear(mux, received(12)) == Lines{"requested #1 nope id= "});
  mux.reject(OpenTicket{1});
  CHECK(said(mux) == sent(13));
  CHECK(hear(mux, received(14)) == Lines{"rejected 3"});
  CHECK(hear(mux, received(15)) == Lines{"closed 1"});
}

TEST_CASE("every recorded error of mux.json ends the session, and what is no error does not") {
  // What we call the errors of the reference; the empty ones are none.
  const std::map<std::string, std::string> reasons = {
      {"open skips an id", "failed malformed_open"},
      {"open re-uses an id that is in use", "failed malformed_open"},
      {"open with id 0: the reject path fails internally and the stream is destroyed",
       "failed malformed_open"},
      {"reject of an id we never opened", "failed malformed_reject"},
      {"single byte frame", "failed malformed_message"},
      {"truncated varint", "failed malformed_message"},
      {"batch without channel id", "failed malformed_batch"},
      // Judged by the channel's owner, below: the mux hands over handshakes and bodies as they are.
      {"handshake too short", "handshake"},
      {"message body fails to decode", "body"},
  };
  const Buffer id;
  int entries = 0;
  for (const json& entry : vectors("wire/mux.json")["receiverErrors"]) {
    CAPTURE(entry.dump());
    Mux mux(defaults);
    mux.open("p", id, {});
    std::string outcome;
    std::istringstream frames(entry["hex"].get<std::string>());
    for (std::string hex; frames >> hex && outcome.empty();) {
      const Buffer bytes = bytes_of(hex);
      mux.receive(bytes, {});
      while (const auto event = mux.next_event()) {
        if (const auto* opened = std::get_if<ChannelOpened>(&*event); opened && opened->handshake.size() < 32)
          outcome = "handshake";
        if (const auto* message = std::get_if<ChannelMessage>(&*event); message && message->body.empty())
          outcome = "body";
        if (std::holds_alternative<MuxFailed>(*event)) outcome = line(*event);
      }
    }
    const auto reason = reasons.find(entry["note"]);
    CHECK(entry["error"].is_null() == (reason == reasons.end()));
    CHECK(outcome == (reason == reasons.end() ? "" : reason->second));
    ++entries;
  }
  CHECK(entries == 14);
}
