// The rules of the mux, one test each.
#include "protocol/mux.hpp"

#include <doctest/doctest.h>

#include "tests/support/mux_script.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

const Limits defaults;
const std::string key = "aa";

Bytes none() { return {}; }

// A mux with one channel, paired: ours 1, theirs 1.
struct Paired {
  Mux mux{defaults};
  LocalId channel = mux.open("p", none(), none());
  Paired() {
    REQUIRE(hear(mux, open_frame(1, "p")) == Lines{"opened 1 "});
    REQUIRE(said(mux) == Lines{"00010101"
                               "7000"});
  }
};

// Both ends of one connection. Whatever one says, the other hears.
struct Pair {
  Mux a{defaults};
  Mux b{defaults};

  static Lines carry(Mux& from, Mux& to) {
    Lines out;
    while (const auto frame = from.next_frame()) {
      to.receive(frame->content(), {});
      for (const std::string& event : drain(to)) out.push_back(event);
    }
    return out;
  }
  Lines a_to_b() { return carry(a, b); }
  Lines b_to_a() { return carry(b, a); }
};

}  // namespace

TEST_SUITE("mux 1: frames") {
  TEST_CASE("an empty frame is ignored") {
    Paired p;
    CHECK(hear(p.mux, "") == Lines{});
    CHECK(p.mux.intake() == Intake::wants_frame);
  }

  TEST_CASE("a frame is labelled with the sender's number, which need not be ours") {
    Mux mux(defaults);
    mux.open("other", none(), none());
    const LocalId ours = mux.open("p", none(), none());
    CHECK(hear(mux, open_frame(1, "p")) == Lines{"opened 2 "});
    CHECK(hear(mux, "0107ff") == Lines{"message 2/7 ff"});
    said(mux);
    mux.send(ours, 7, bytes_of("ee"));
    CHECK(said(mux) == Lines{"0207ee"});
  }

  TEST_CASE("a message without a type is malformed_message") {
    for (const char* frame : {"01", "00", "fd01", "01fd", "01ff00000000000020"}) {
      CAPTURE(frame);
      Paired p;
      CHECK(hear(p.mux, frame) == Lines{"failed malformed_message"});
      CHECK(p.mux.intake() == Intake::ended);
    }
  }

  TEST_CASE("forms longer than needed are accepted") {
    Paired p;
    CHECK(hear(p.mux,
               "fd0100"
               "fe07000000"
               "ff") == Lines{"message 1/7 ff"});
  }
}

TEST_SUITE("mux 2: the control session") {
  TEST_CASE("open, reject and close are spelled as the specification's examples") {
    Mux mux(defaults);
    const Buffer id(32, std::byte{0x11});
    const Buffer handshake = bytes_of("01" + std::string(64, '2'));
    const LocalId channel = mux.open("hypercore/alpha", id, handshake);
    const Lines out = said(mux);
    REQUIRE(out.size() == 1);
    CHECK(out[0] == "0001010f" + text("hypercore/alpha") + "20" + to_hex(id) + to_hex(handshake));
    CHECK(out[0].size() / 2 == 85);
    mux.close(channel);
    CHECK(said(mux) == Lines{"000301"});

    hear(mux, open_frame(1, "x"));
    hear(mux, open_frame(2, "y"));
    mux.reject(OpenTicket{2});
    CHECK(said(mux) == Lines{"000202"});
  }

  TEST_CASE("unknown control types are ignored, whatever they carry") {
    Paired p;
    CHECK(hear(p.mux, "0004") == Lines{});
    CHECK(hear(p.mux,
               "00ff00000000000010"
               "00aabb") == Lines{});
    CHECK(hear(p.mux, "010000") == Lines{"message 1/0 00"});
  }

  TEST_CASE("bytes behind a reject or a close are ignored") {
    Paired p;
    CHECK(hear(p.mux, "000301ffff") == Lines{"closed 1"});
  }

  TEST_CASE(
      "an open that breaks off is malformed_open, a reject malformed_reject, a close malformed_message") {
    const std::string open = open_frame(1, "p", "aabb");
    for (std::size_t bytes = 2; bytes < open.size() / 2; ++bytes) {
      Mux mux(defaults);
      CHECK(hear(mux, open.substr(0, bytes * 2)) == Lines{"failed malformed_open"});
    }
    Mux rejecting(defaults), closing(defaults);
    CHECK(hear(rejecting, "0002") == Lines{"failed malformed_reject"});
    CHECK(hear(closing, "0003") == Lines{"failed malformed_message"});
  }
}

TEST_SUITE("mux 3: ids, pairing, life cycle") {
  TEST_CASE("the empty and the absent id are the same") {
    Mux mux(defaults);
    mux.open("p", none(), none());
    CHECK(hear(mux,
               "0001010170"
               "fd0000") == Lines{"opened 1 "});  // a length of zero, spelled long
  }

  TEST_CASE("an open of ours that was not answered pairs with theirs, and brings their handshake") {
    Mux mux(defaults);
    mux.open("p", bytes_of(key), bytes_of("01"));
    CHECK(hear(mux, open_frame(1, "p", key, "0203")) == Lines{"opened 1 0203"});
  }

  TEST_CASE("an open of theirs waits for our decision, and is accepted by opening the same identity") {
    Mux mux(defaults);
    CHECK(hear(mux, open_frame(1, "p", key, "05")) == Lines{"requested #1 p id=aa 05"});
    CHECK(mux.pending_opens() == 1);
    mux.open("p", bytes_of(key), bytes_of("06"));
    CHECK(said(mux) == Lines{"00010101"
                             "70"
                             "01aa"
                             "06"});
    CHECK(drain(mux) == Lines{"opened 1 05"});
    CHECK(mux.pending_opens() == 0);
  }

  TEST_CASE("protocol and id must both be the same") {
    Mux mux(defaults);
    mux.open("p", bytes_of(key), none());
    CHECK(hear(mux, open_frame(1, "p", "bb")) == Lines{"requested #1 p id=bb "});
    CHECK(hear(mux, open_frame(2, "q", key)) == Lines{"requested #2 q id=aa "});
    CHECK(hear(mux, open_frame(3, "p", "aa00")) == Lines{"requested #3 p id=aa00 "});
    CHECK(hear(mux, open_frame(4, "p")) == Lines{"requested #4 p id= "});
    CHECK(hear(mux, open_frame(5, "p", key)) == Lines{"opened 1 "});
  }

  TEST_CASE("ids longer than a key are told apart") {
    Mux mux(defaults);
    const std::string long_a(120, 'a'), long_b = std::string(118, 'a') + "bb";
    mux.open("p", bytes_of(long_a), none());
    mux.open("p", bytes_of(long_b), none());
    CHECK(hear(mux, open_frame(1, "p", long_b)) == Lines{"opened 2 "});
    CHECK(hear(mux, open_frame(2, "p", long_a)) == Lines{"opened 1 "});
  }

  TEST_CASE("messages may follow an open at once; the other side gets them when it has opened") {
    Pair pair;
    const LocalId a = pair.a.open("p", none(), bytes_of("0a"));
    pair.a.send(a, 0, bytes_of("01"));
    CHECK(pair.a_to_b() == Lines{"requested #1 p id= 0a"});
    pair.a.send(a, 1, bytes_of("02"));
    CHECK(pair.a_to_b() == Lines{});
    const LocalId b = pair.b.open("p", none(), bytes_of("0b"));
    CHECK(drain(pair.b) == Lines{"opened 1 0a", "message 1/0 01", "message 1/1 02"});
    pair.b.send(b, 2, bytes_of("03"));
    CHECK(pair.b_to_a() == Lines{"opened 1 0b", "message 1/2 03"});
  }

  TEST_CASE("parked messages come before those that arrive later in the same frame") {
    Mux mux(defaults);
    const Buffer frame = bytes_of(
        "000000"
        "0501010170"
        "00"
        "0001"
        "0200"
        "01"
        "0200"
        "02");
    mux.receive(frame, {});
    Lines events;
    while (const auto event = mux.next_event()) {
      events.push_back(line(*event));
      if (std::holds_alternative<OpenRequested>(*event)) continue;
    }
    mux.open("p", none(), none());
    for (const std::string& event : drain(mux)) events.push_back(event);
    CHECK(events == Lines{"requested #1 p id= ", "opened 1 ", "message 1/0 01", "message 1/0 02"});
  }

  TEST_CASE("an event's views may be handed to the command that answers it") {
    Mux mux(defaults);
    const std::string id(64, 'c');
    const Buffer frame = bytes_of(open_frame(1, "a-rather-long-protocol-name", id, "01"));
    mux.receive(frame, {});
    const auto event = mux.next_event();
    REQUIRE(event.has_value());
    const auto& request = std::get<OpenRequested>(*event);
    mux.open(request.protocol, request.id, request.handshake);
    CHECK(to_hex(request.id) == id);
    CHECK(said(mux) == Lines{open_frame(1, "a-rather-long-protocol-name", id, "01")});
  }

  TEST_CASE("two opens of one identity: the first is accepted, the second refused") {
    Mux mux(defaults);
    hear(mux, open_frame(1, "p"));
    hear(mux, open_frame(2, "p"));
    mux.open("p", none(), none());
    CHECK(drain(mux) == Lines{"opened 1 ", "withdrawn #2"});
    CHECK(said(mux) == Lines{"000000"
                             "0501010170"
                             "00"
                             "020202"});
    CHECK(hear(mux, "0100") == Lines{"message 1/0 "});
    CHECK(hear(mux, "0200") == Lines{});
  }

  TEST_CASE(
      "unique: while a channel is open, a second open of its identity is refused and the first unaffected") {
    Paired p;
    CHECK(hear(p.mux, open_frame(2, "p")) == Lines{});
    CHECK(said(p.mux) == Lines{"000202"});
    CHECK(hear(p.mux, "0100ab") == Lines{"message 1/0 ab"});
    CHECK(hear(p.mux, open_frame(2, "other")) ==
          Lines{"requested #1 other id= "});  // the number is free again
  }

  TEST_CASE("two opens of theirs for two identities of ours pair each with its own") {
    Mux mux(defaults);
    mux.open("p", bytes_of("01"), none());
    mux.open("p", bytes_of("02"), none());
    CHECK(hear(mux, open_frame(1, "p", "02")) == Lines{"opened 2 "});
    CHECK(hear(mux, open_frame(2, "p", "01")) == Lines{"opened 1 "});
  }

  TEST_CASE("a reject closes the channel that waited, and frees its number") {
    Mux mux(defaults);
    mux.open("p", none(), none());
    mux.open("q", none(), none());
    CHECK(hear(mux, "000201") == Lines{"rejected 1"});
    CHECK(mux.open("r", none(), none()) == LocalId{1});
  }

  TEST_CASE("a reject of what does not wait for an answer is malformed_reject") {
    for (const char* frame : {"000200", "000201", "000202", "0002feffffffff", "0002ff0000000001000000"}) {
      CAPTURE(frame);
      Paired p;
      CHECK(hear(p.mux, frame) == Lines{"failed malformed_reject"});
    }
  }

  TEST_CASE("a close by the other side ends the channel without an answer, and late messages are ignored") {
    Paired p;
    CHECK(hear(p.mux, "000301") == Lines{"closed 1"});
    CHECK(said(p.mux) == Lines{});
    CHECK(hear(p.mux, "0100ff") == Lines{});
    CHECK(hear(p.mux, "000301") == Lines{});
    CHECK(p.mux.channel_count() == 0);
  }

  TEST_CASE("a close by us ends the channel at once, and what was on its way is ignored") {
    Paired p;
    p.mux.close(p.channel);
    CHECK(said(p.mux) == Lines{"000301"});
    CHECK(hear(p.mux, "0100ff") == Lines{});
    CHECK(hear(p.mux, "000301") == Lines{});  // theirs, which crossed ours
    CHECK(p.mux.channel_count() == 0);
  }

  TEST_CASE("a number is free as soon as a paired channel is closed, by either side") {
    Paired p;
    p.mux.close(p.channel);
    CHECK(p.mux.open("q", none(), none()) == LocalId{1});
    Paired r;
    hear(r.mux, "000301");
    CHECK(r.mux.open("q", none(), none()) == LocalId{1});
  }

  TEST_CASE("their number is free for their next open after either side's close") {
    Paired p;
    p.mux.close(p.channel);
    CHECK(hear(p.mux, open_frame(1, "q")) == Lines{"requested #1 q id= "});
    Paired r;
    hear(r.mux, "000301");
    CHECK(hear(r.mux, open_frame(1, "q")) == Lines{"requested #1 q id= "});
  }

  TEST_CASE("the number of an unanswered channel that we close stays reserved until the answer") {
    Mux mux(defaults);
    const LocalId first = mux.open("p", none(), none());
    mux.close(first);
    CHECK(said(mux) == Lines{"000000"
                             "0501010170"
                             "00"
                             "020301"});
    CHECK(mux.open("q", none(), none()) == LocalId{2});
    CHECK(hear(mux, open_frame(1, "p")) == Lines{});  // the answer, which our close has overtaken
    CHECK(said(mux) == Lines{"00010201"
                             "7100"});
    CHECK(mux.open("r", none(), none()) == LocalId{1});
    CHECK(hear(mux, "0100ff") == Lines{});                                 // of a channel that never was
    CHECK(hear(mux, open_frame(1, "s")) == Lines{"requested #1 s id= "});  // their number is free as well
  }

  TEST_CASE("a reject also frees the number of an unanswered channel that we closed") {
    Mux mux(defaults);
    mux.close(mux.open("p", none(), none()));
    CHECK(hear(mux, "000201") == Lines{});
    CHECK(mux.open("q", none(), none()) == LocalId{1});
  }

  TEST_CASE("opens of one identity are answered first in, first out, also when the first was closed again") {
    Mux mux(defaults);
    mux.close(mux.open("p", none(), none()));
    CHECK(mux.open("p", none(), none()) == LocalId{2});
    CHECK(hear(mux, open_frame(1, "p")) == Lines{});
    CHECK(hear(mux, open_frame(1, "p")) == Lines{"opened 2 "});
  }

  TEST_CASE("the most recently freed number is taken first, else one above the highest") {
    Mux mux(defaults);
    for (const char* name : {"a", "b", "c", "d"}) mux.open(name, none(), none());
    hear(mux, "000202");
    hear(mux, "000204");
    CHECK(mux.open("e", none(), none()) == LocalId{4});
    CHECK(mux.open("f", none(), none()) == LocalId{2});
    CHECK(mux.open("g", none(), none()) == LocalId{5});
  }

  TEST_CASE("close of an unknown number is ignored") {
    Paired p;
    for (const char* frame : {"000300", "000309", "0003feffffffff", "0003ff0000000001000000"})
      CHECK(hear(p.mux, frame) == Lines{});
    CHECK(hear(p.mux, "0100") == Lines{"message 1/0 "});
  }

  TEST_CASE("close of a pending open withdraws it and answers with a reject, which frees their number") {
    Mux mux(defaults);
    hear(mux, open_frame(1, "p"));
    hear(mux, "0100ff");
    CHECK(hear(mux, "000301") == Lines{"withdrawn #1"});
    CHECK(said(mux) == Lines{"000201"});
    mux.reject(OpenTicket{1});  // too late, and harmless
    CHECK(said(mux) == Lines{});
    CHECK(hear(mux, open_frame(1, "p")) == Lines{"requested #2 p id= "});
  }

  TEST_CASE("hypercore is the same protocol as hypercore/alpha, which is what we say") {
    Mux mux(defaults);
    mux.open("hypercore/alpha", bytes_of("01"), none());
    CHECK(hear(mux, open_frame(1, "hypercore", "01")) == Lines{"opened 1 "});
    CHECK(hear(mux, open_frame(2, "hypercore", "02")) == Lines{"requested #1 hypercore/alpha id=02 "});
    CHECK(hear(mux, open_frame(3, "hypercore/beta", "01")) == Lines{"requested #2 hypercore/beta id=01 "});
  }

  TEST_CASE("both sides may open, close and open again; what crosses does no harm") {
    Pair pair;
    const LocalId a = pair.a.open("p", none(), none());
    const LocalId b = pair.b.open("p", none(), none());
    CHECK(pair.a_to_b() == Lines{"opened 1 "});
    CHECK(pair.b_to_a() == Lines{"opened 1 "});
    pair.a.send(a, 0, bytes_of("01"));
    pair.a.close(a);
    pair.b.close(b);
    pair.a.open("p", none(), bytes_of("0a"));
    pair.b.open("p", none(), bytes_of("0b"));
    CHECK(pair.a_to_b() == Lines{"opened 1 0a"});
    CHECK(pair.b_to_a() == Lines{"opened 1 0b"});
    CHECK(pair.a.channel_count() == 1);
    CHECK(pair.b.channel_count() == 1);
  }
}

TEST_SUITE("mux 4: batches") {
  TEST_CASE("entries are heard in order, as if they were frames, across channels and control messages") {
    Paired p;
    p.mux.open("q", none(), none());
    CHECK(hear(p.mux,
               "000001"
               "0300aabb"
               "0000"
               "0501020171"
               "00"
               "0002"
               "0107"
               "0000"
               "020301") == Lines{"message 1/0 aabb", "opened 2 ", "message 2/7 ", "closed 1"});
  }

  TEST_CASE("a batch without entries says nothing") {
    Paired p;
    CHECK(hear(p.mux, "000001") == Lines{});
    CHECK(hear(p.mux,
               "0000010005"
               "0001") == Lines{});
  }

  TEST_CASE("an entry that claims more than is left is what is left, as in the reference") {
    Paired p;
    CHECK(hear(p.mux,
               "000001"
               "0a0705") == Lines{"message 1/7 05"});
    CHECK(hear(p.mux,
               "000001"
               "ff00000000000010000705") == Lines{"message 1/7 05"});
  }

  TEST_CASE("a batch that breaks off, or has an entry without a type, is malformed_batch") {
    for (const char* frame : {"0000", "0000fd01", "00000100", "000001fd", "00000105",
                              "000001"
                              "01fd"
                              "00"}) {
      CAPTURE(frame);
      Paired p;
      CHECK(hear(p.mux, frame) == Lines{"failed malformed_batch"});
    }
  }

  TEST_CASE("what was heard before a batch broke off was heard") {
    Paired p;
    CHECK(hear(p.mux,
               "000001"
               "0100"
               "00") == Lines{"message 1/0 ", "failed malformed_batch"});
  }

  TEST_CASE("messages that we say together leave together, in the order in which they were said") {
    Paired p;
    p.mux.send(p.channel, 0, bytes_of("01"));
    p.mux.send_with(p.channel, 1, [](Writer& body) { body.uint(300); });
    p.mux.close(p.channel);
    CHECK(said(p.mux) == Lines{"000001"
                               "020001"
                               "0401fd2c01"
                               "0000"
                               "020301"});
  }
}

TEST_SUITE("mux 5: buffering") {
  TEST_CASE("a parked message counts 512 bytes and its body; above the limit nothing more is read") {
    Limits limits;
    limits.pending_open_bytes = 2'000;
    Mux mux(limits);
    hear(mux, open_frame(1, "p"));  // 1 byte of name
    hear(mux, "0100" + std::string(2 * 488, 'a'));
    hear(mux, "0100" + std::string(2 * 400, 'b'));
    const Buffer frame = bytes_of(
        "0101"
        "cc");  // 1 + 1,000 + 912 + 513 is too much
    mux.receive(frame, {});
    CHECK(drain(mux) == Lines{});
    CHECK(mux.intake() == Intake::awaits_decision);
    CHECK(drain(mux) == Lines{});

    mux.open("p", none(), none());
    const Lines events = drain(mux);
    REQUIRE(events.size() == 4);
    CHECK(events[0] == "opened 1 ");
    CHECK(events[3] == "message 1/1 cc");  // no message is lost, and none is moved
    CHECK(mux.intake() == Intake::wants_frame);
  }

  TEST_CASE("a reject drops what was parked and lets reading go on") {
    Mux mux(defaults);
    hear(mux, open_frame(1, "p"));
    const Buffer large(40'000);
    Buffer frame = bytes_of("0100");
    append(frame, large);
    mux.receive(frame, {});
    CHECK(drain(mux) == Lines{});
    CHECK(mux.intake() == Intake::awaits_decision);
    mux.reject(OpenTicket{1});
    CHECK(drain(mux) == Lines{});
    CHECK(mux.intake() == Intake::wants_frame);
    CHECK(said(mux) == Lines{"000201"});
  }

  TEST_CASE("other channels wait as well, so that the order of the stream is kept") {
    Limits limits;
    limits.pending_open_bytes = 600;
    Mux mux(limits);
    mux.open("q", none(), none());
    hear(mux, open_frame(1, "q"));
    hear(mux, open_frame(2, "p"));
    const Buffer frame = bytes_of(
        "000002"
        "0100"
        "0100"
        "0001"
        "0100");
    mux.receive(frame, {});
    CHECK(drain(mux) == Lines{});
    CHECK(mux.intake() == Intake::awaits_decision);
    mux.open("p", none(), none());
    CHECK(drain(mux) == Lines{"opened 2 ", "message 2/0 ", "message 2/0 ", "message 1/0 "});
  }
}

TEST_SUITE("mux 6: messages on channels") {
  TEST_CASE("any type is handed over, and a body is everything behind it") {
    Paired p;
    CHECK(hear(p.mux, "0100") == Lines{"message 1/0 "});
    CHECK(hear(p.mux, "01fd00010203") == Lines{"message 1/256 0203"});
  }

  TEST_CASE("a message for a channel that never was is ignored") {
    Paired p;
    for (const char* frame : {"0200ff", "fe000000ff00", "ff000000000000100000"})
      CHECK(hear(p.mux, frame) == Lines{});
  }

  TEST_CASE("after our close no event of the channel follows, not even one that was parked") {
    Mux mux(defaults);
    hear(mux, open_frame(1, "p"));
    hear(mux, "0100");
    hear(mux, "0101");
    const LocalId channel = mux.open("p", none(), none());
    CHECK(line(*mux.next_event()) == "opened 1 ");
    mux.close(channel);
    CHECK(drain(mux) == Lines{});
  }
}

TEST_SUITE("mux 7: opens for what we do not have") {
  TEST_CASE("a refused open keeps nothing, and the stream stays usable") {
    Mux mux(defaults);
    for (std::uint64_t i = 1; i <= 500; ++i) {
      hear(mux, open_frame(1, "hypercore/alpha", "aabb"));
      mux.reject(OpenTicket{i});
    }
    CHECK(mux.pending_opens() == 0);
    CHECK(mux.channel_count() == 0);
    mux.open("p", none(), none());
    CHECK(hear(mux, open_frame(1, "p")) == Lines{"opened 1 "});
  }
}

TEST_SUITE("mux 8: what ends the session") {
  TEST_CASE("open with a number that is skipped, in use or zero is malformed_open") {
    for (const std::string& frame : {open_frame(0, "q"), open_frame(1, "q"), open_frame(3, "q"),
                                     open_frame(0x1'0000'0001, "q"), open_frame(max_wire_integer, "q")}) {
      CAPTURE(frame);
      Paired p;
      CHECK(hear(p.mux, frame) == Lines{"failed malformed_open"});
    }
  }

  TEST_CASE("a number that is pending is in use") {
    Mux mux(defaults);
    hear(mux, open_frame(1, "p"));
    CHECK(hear(mux, open_frame(1, "q")) == Lines{"failed malformed_open"});
  }

  TEST_CASE("a mux that has failed says so once and hears nothing more") {
    Paired p;
    const Buffer frame = bytes_of(
        "000001"
        "0100"
        "0000"
        "020209"
        "0001"
        "0100");
    p.mux.receive(frame, {});
    CHECK(drain(p.mux) == Lines{"message 1/0 ", "failed malformed_reject"});
    CHECK(p.mux.intake() == Intake::ended);
    CHECK(!p.mux.next_event());
  }
}
