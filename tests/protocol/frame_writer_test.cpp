// How messages are put into frames, and taken out of them again.
#include "protocol/frame_writer.hpp"

#include <doctest/doctest.h>

#include "protocol/frame_reader.hpp"
#include "protocol/limits.hpp"
#include "tests/support/mux_script.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

Lines frames(FrameWriter& writer) {
  Lines out;
  while (const auto frame = writer.next_frame()) out.push_back(to_hex(frame->content()));
  return out;
}

// What a frame holds, as channel/type:size.
Lines held(Bytes frame) {
  FrameReader reader;
  reader.load(frame);
  Lines out;
  FrameEntry entry;
  while (true) {
    const FrameReader::Step step = reader.next(entry);
    if (step == FrameReader::Step::passed) continue;
    if (step != FrameReader::Step::entry) break;
    out.push_back(std::to_string(entry.channel) + "/" + std::to_string(entry.type) + ":" +
                  std::to_string(entry.body.size()));
  }
  return out;
}

Buffer body(std::size_t size) { return Buffer(size, std::byte{0x61}); }

}  // namespace

TEST_CASE("a message that leaves by itself is a plain frame, without the words of a batch") {
  FrameWriter writer;
  writer.add(1, 0, body(1), Packing::shared);
  CHECK(frames(writer) == Lines{"010061"});
  writer.add(300, 7, {}, Packing::shared);
  CHECK(frames(writer) == Lines{"fd2c0107"});
  writer.add(1, 0, body(300), Packing::shared);  // whose length as an entry would take three bytes
  CHECK(frames(writer) == Lines{"0100" + to_hex(body(300))});
  CHECK(frames(writer).empty());
}

TEST_CASE("messages that wait together share a batch, which names a channel when it changes") {
  FrameWriter writer;
  writer.add(1, 0, body(1), Packing::shared);
  writer.add(1, 2, body(2), Packing::shared);
  writer.add(5, 0, {}, Packing::shared);
  writer.add(1, 0, {}, Packing::shared);
  CHECK(frames(writer) == Lines{"000001"
                                "020061"
                                "03026161"
                                "0005"
                                "0100"
                                "0001"
                                "0100"});
}

TEST_CASE("a body written in place is the same message, whatever its size") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{251}, std::size_t{252}, std::size_t{253},
        std::size_t{60'000}, std::size_t{65'535}, std::size_t{65'536}, std::size_t{200'000}}) {
    for (const std::size_t before : {0, 1, 2}) {
      CAPTURE(size);
      CAPTURE(before);
      FrameWriter in_place, given;
      for (FrameWriter* writer : {&in_place, &given})
        for (std::size_t i = 0; i < before; ++i) writer->add(2, 1, body(3), Packing::shared);
      Writer out = in_place.begin(1, 9, Packing::shared);
      out.raw(body(size));
      in_place.end();
      given.add(1, 9, body(size), Packing::shared);
      for (FrameWriter* writer : {&in_place, &given}) writer->add(1, 1, body(4), Packing::shared);
      const Lines written = frames(in_place);
      CHECK(written == frames(given));
      Lines entries;
      for (const std::string& frame : written)
        for (const std::string& entry : held(bytes_of(frame))) entries.push_back(entry);
      Lines expected(before, "2/1:3");
      expected.push_back("1/9:" + std::to_string(size));
      expected.push_back("1/1:4");
      CHECK(entries == expected);
    }
  }
}

TEST_CASE("a shared frame is closed at 64 KiB, far from the wire's limit") {
  FrameWriter writer;
  for (int i = 0; i < 1'000; ++i) writer.add(1, 3, body(1'000), Packing::shared);
  std::size_t messages = 0, count = 0;
  while (const auto frame = writer.next_frame()) {
    CHECK(frame->size() <= FrameWriter::split_bytes + 1'010);
    messages += held(frame->content()).size();
    ++count;
  }
  CHECK(messages == 1'000);
  CHECK(count == 16);
  CHECK(writer.queued_bytes() == 0);
}

TEST_CASE("a large message has a frame of its own, between those before it and those behind it") {
  FrameWriter writer;
  writer.add(1, 0, body(1), Packing::shared);
  writer.add(1, 0, body(2), Packing::shared);
  writer.add(1, 3, body(100'000), Packing::shared);
  writer.add(1, 0, body(3), Packing::shared);
  const std::size_t queued = writer.queued_bytes();
  std::size_t bytes = 0;
  Lines entries;
  while (const auto frame = writer.next_frame()) {
    bytes += frame->size();
    const Lines here = held(frame->content());
    entries.push_back(std::to_string(here.size()) + " from " + here.front());
  }
  CHECK(entries == Lines{"2 from 1/0:1", "1 from 1/3:100000", "1 from 1/0:3"});
  CHECK(queued + 2 + 1 >=
        bytes);  // all but the numbers in front of the last frames, which come when it leaves
}

TEST_CASE("trap 23: a message that goes alone shares no frame, and keeps its place") {
  FrameWriter writer;
  writer.add(1, 0, body(1), Packing::shared);
  writer.add(1, 1, body(4), Packing::alone);
  writer.add(1, 1, body(4), Packing::alone);
  writer.add(1, 0, body(1), Packing::shared);
  CHECK(frames(writer) == Lines{"010061", "010161616161", "010161616161", "010061"});
}

TEST_CASE("a frame that was built elsewhere is sent where it lies, with room for the stream's own bytes") {
  FrameWriter writer;
  OutgoingFrame frame(100'000);
  append(frame.tail(), body(100'000));
  const std::byte* payload = frame.content().data();
  writer.add_frame(252, 3, std::move(frame));
  const auto out = writer.next_frame();
  REQUIRE(out.has_value());
  CHECK(held(out->content()) == Lines{"252/3:100000"});
  CHECK(out->content().data() + 2 == payload);
  CHECK(out->room_in_front() >= limits::frame_prefix_bytes + 1);
}

TEST_CASE("a frame too small to be worth sealing by itself is copied into the shared one") {
  FrameWriter writer;
  for (int i = 0; i < 3; ++i) {
    OutgoingFrame frame;
    append(frame.tail(), body(100));
    writer.add_frame(1, 3, std::move(frame));
  }
  const auto out = writer.next_frame();
  REQUIRE(out.has_value());
  CHECK(held(out->content()) == Lines{"1/3:100", "1/3:100", "1/3:100"});
  CHECK(out->room_in_front() >= limits::frame_prefix_bytes + 1);
  CHECK(!writer.next_frame());
}

TEST_CASE("every frame leaves with room for prefix and tag, even with the largest numbers in front") {
  FrameWriter writer;
  OutgoingFrame frame;
  append(frame.tail(), body(10'000));
  frame.prepend(body(37));  // the largest head of a data message
  writer.add_frame(max_wire_integer, max_wire_integer, std::move(frame));
  const auto out = writer.next_frame();
  REQUIRE(out.has_value());
  CHECK(out->room_in_front() >= limits::frame_prefix_bytes + 1);
}

TEST_CASE("a frame moves with its content, and memory of frames that are done holds nothing of them") {
  OutgoingFrame first(100'000);
  append(first.tail(), body(100'000));
  const std::byte* payload = first.content().data();
  OutgoingFrame second = std::move(first);
  CHECK(second.content().data() == payload);
  CHECK(second.size() == 100'000);
  second = OutgoingFrame(90'000);
  CHECK(second.empty());
  CHECK(second.room_in_front() == OutgoingFrame::headroom);
  std::vector<OutgoingFrame> many;
  for (int i = 0; i < 200; ++i) append(many.emplace_back(60'000).tail(), body(60'000));
  many.clear();
  for (int i = 0; i < 200; ++i) {
    const OutgoingFrame& frame = many.emplace_back(60'000);
    CHECK(frame.empty());
  }
}
