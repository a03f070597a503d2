// F6: one frame of a stranger, in the three states that a channel number can be in: unknown, pending, open.
// A frame takes no more steps than it has bytes; entries put into frames again come out the same; what is
// parked stays within its bound; a failure is told once.
#include <cstdlib>
#include <vector>

#include "protocol/mux.hpp"

using namespace sheaf;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

struct Entry {
  std::uint64_t channel, type;
  Buffer body;
  bool operator==(const Entry&) const = default;
};

std::vector<Entry> entries_of(Bytes frame, bool& whole) {
  std::vector<Entry> out;
  FrameReader reader;
  reader.load(frame);
  for (std::size_t steps = 0;; ++steps) {
    expect(steps <= frame.size() + 1);
    FrameEntry entry;
    switch (reader.next(entry)) {
      case FrameReader::Step::entry: out.push_back({entry.channel, entry.type, to_buffer(entry.body)}); break;
      case FrameReader::Step::passed: break;
      case FrameReader::Step::drained: whole = true; return out;
      case FrameReader::Step::malformed_message:
      case FrameReader::Step::malformed_batch: whole = false; return out;
    }
  }
}

void frames_again(Bytes frame) {
  bool whole = false;
  const std::vector<Entry> entries = entries_of(frame, whole);
  FrameWriter writer;
  for (const Entry& entry : entries) writer.add(entry.channel, entry.type, entry.body, Packing::shared);
  std::vector<Entry> again;
  while (const auto out = writer.next_frame())
    for (Entry& entry : entries_of(out->content(), whole)) again.push_back(std::move(entry));
  expect(again == entries);
}

Bytes text(std::string_view value) { return as_bytes(value); }

void hear(Mux& mux, Bytes frame) {
  int failures = 0;
  mux.receive(frame, {});
  do {
    while (const auto event = mux.next_event()) failures += std::holds_alternative<MuxFailed>(*event);
  } while (mux.intake() == Intake::has_more);
  expect(failures == (mux.intake() == Intake::ended ? 1 : 0));
  while (mux.next_frame()) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes frame(reinterpret_cast<const std::byte*>(data), size);
  frames_again(frame);

  static const Limits limits;
  Mux mux(limits);
  mux.open("p", text("one"), {});
  mux.open("p", text("two"), {});
  hear(mux, text(std::string_view("\x00\x01\x01\x01p\x03one", 9)));     // theirs 1: open
  hear(mux, text(std::string_view("\x00\x01\x02\x01p\x05three", 11)));  // theirs 2: pending
  expect(mux.pending_opens() == 1 && mux.channel_count() == 2);
  hear(mux, frame);
  if (mux.intake() == Intake::wants_frame) hear(mux, frame);
  expect(mux.pending_opens() <= limits.pending_opens);
  if (mux.intake() == Intake::awaits_decision) {
    mux.on_time(Instant{} + limits.pending_open_ms);
    while (mux.next_event()) {
    }
  }
  expect(mux.queued_bytes() <= 64 * 1024 + frame.size() * 4);
  return 0;
}
