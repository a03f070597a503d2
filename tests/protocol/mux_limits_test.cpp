// L6, L7 and L15 at the mux: what a stranger can make it keep, and for how long. Named after the hostile
// cases.
#include <malloc.h>

#include <doctest/doctest.h>

#include "protocol/mux.hpp"
#include "tests/support/mux_script.hpp"

using namespace sheaf;
using namespace sheaf::test;
using std::chrono::milliseconds;

namespace {

const Limits defaults;
constexpr Instant start{};

Bytes none() { return {}; }

Buffer frame_of(std::initializer_list<std::uint64_t> numbers) {
  Buffer out;
  Writer writer(out);
  for (const std::uint64_t number : numbers) writer.uint(number);
  return out;
}

// What open_frame() spells, without the detour through hex.
void put_open(Buffer& out, std::uint64_t number, std::string_view protocol) {
  out.clear();
  Writer writer(out);
  for (const std::uint64_t each : {std::uint64_t{0}, std::uint64_t{1}, number}) writer.uint(each);
  writer.text(protocol);
  writer.uint(0);
}

std::size_t heap_in_use() { return mallinfo2().uordblks; }

// Hears one frame; gives the failure if there is one, and rejects what is asked.
std::optional<SessionEnd> refuse_all(Mux& mux, Bytes frame) {
  mux.receive(frame, start);
  std::optional<SessionEnd> out;
  do {
    while (const auto event = mux.next_event()) {
      if (const auto* request = std::get_if<OpenRequested>(&*event)) mux.reject(request->ticket);
      if (const auto* failed = std::get_if<MuxFailed>(&*event)) out = failed->reason;
    }
  } while (mux.intake() == Intake::has_more);
  while (mux.next_frame()) {
  }
  return out;
}

}  // namespace

TEST_CASE(
    "hostile open_flood: above 200,000 rejects a session ends with channel_flood, and nothing was kept") {
  Mux mux(defaults);
  Buffer frame;
  put_open(frame, 1, "unknown");
  const std::size_t before = heap_in_use();
  for (std::size_t i = 0; i < defaults.rejects_session; ++i) {
    const auto failed = refuse_all(mux, frame);
    if (failed) FAIL("ended after ", i, " rejects");
  }
  CHECK(mux.pending_opens() == 0);
  CHECK(mux.channel_count() == 0);
  CHECK(heap_in_use() < before + 256 * 1024);
  CHECK(refuse_all(mux, frame) == SessionEnd::channel_flood);
  CHECK(mux.intake() == Intake::ended);
}

TEST_CASE("hostile open_flood with ever larger numbers: nothing is kept of them either") {
  Mux mux(defaults);
  const std::size_t before = heap_in_use();
  std::optional<SessionEnd> failed;
  std::uint64_t number = 0;
  Buffer frame;
  while (!failed && number < 1'000'000) {
    put_open(frame, ++number, "unknown");
    failed = refuse_all(mux, frame);
  }
  CHECK(failed == SessionEnd::channel_flood);
  CHECK(number == defaults.channels_session + 1);
  CHECK(heap_in_use() < before + 256 * 1024);
}

TEST_CASE("a number above channels_session is channel_flood, even where the ones below were accepted") {
  Limits limits;
  limits.channels_session = 3;
  Mux mux(limits);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    const std::string protocol(1, static_cast<char>('a' + number));
    hear(mux, open_frame(number, protocol));
    mux.open(protocol, none(), none());
    drain(mux);
  }
  CHECK(hear(mux, open_frame(4, "e")) == Lines{"failed channel_flood"});
}

TEST_CASE("hostile open_flood without decisions: 64 opens are pending, and no further frame is read") {
  Mux mux(defaults);
  for (std::uint64_t number = 1; number <= defaults.pending_opens; ++number)
    CHECK(hear(mux, open_frame(number, "unknown", "aa")).size() == 1);
  const Buffer one_more = bytes_of(open_frame(65, "unknown", "aa"));
  mux.receive(one_more, start);
  CHECK(drain(mux) == Lines{});
  CHECK(mux.intake() == Intake::awaits_decision);
  CHECK(mux.pending_opens() == defaults.pending_opens);
  mux.reject(OpenTicket{7});
  CHECK(drain(mux) == Lines{"requested #65 unknown id=aa "});
  CHECK(mux.intake() == Intake::wants_frame);
}

TEST_CASE(
    "an honest store that opens hundreds of cores at once, and is decided on at once, is never kept "
    "waiting") {
  Mux mux(defaults);
  Buffer batch = bytes_of("000000");
  Writer writer(batch);
  for (std::uint64_t number = 1; number <= 800; ++number) {
    Buffer open;
    Writer body(open);
    body.uint(1);
    body.uint(number);
    body.text("hypercore/alpha");
    Buffer id(32);
    id[0] = static_cast<std::byte>(number);
    id[1] = static_cast<std::byte>(number >> 8);
    body.buffer(id);
    body.raw(Buffer(33));
    writer.buffer(open);
  }
  mux.receive(batch, start);
  std::size_t accepted = 0, rejected = 0;
  while (const auto event = mux.next_event()) {
    const auto* request = std::get_if<OpenRequested>(&*event);
    if (!request) continue;
    if (request->id[0] == std::byte{5}) {
      mux.open(request->protocol, request->id, none());
      ++accepted;
    } else {
      mux.reject(request->ticket);
      ++rejected;
    }
  }
  CHECK(mux.intake() == Intake::wants_frame);
  CHECK(accepted == 4);
  CHECK(rejected == 796);
  CHECK(mux.channel_count() == 4);
}

TEST_CASE(
    "hostile open_no_pair_then_64MiB: at most 32 KiB are kept, reading stops, and 10 s later it is "
    "rejected") {
  Mux mux(defaults);
  hear(mux, open_frame(1, "p"), start);
  CHECK(mux.next_deadline() == start + milliseconds(10'000));
  Buffer batch = bytes_of("000001");
  Writer writer(batch);
  const Buffer kibibyte(1'024);
  for (int i = 0; i < 16 * 1'000; ++i) writer.buffer(kibibyte);
  const std::size_t before = heap_in_use();
  mux.receive(batch, start);
  CHECK(drain(mux) == Lines{});
  CHECK(mux.intake() == Intake::awaits_decision);
  CHECK(heap_in_use() < before + defaults.pending_open_bytes + 8 * 1'024);

  mux.on_time(start + milliseconds(9'999));
  CHECK(drain(mux) == Lines{});
  CHECK(mux.intake() == Intake::awaits_decision);
  mux.on_time(start + milliseconds(10'000));
  CHECK(drain(mux) == Lines{"withdrawn #1"});  // the rest of the batch belongs to nobody now
  CHECK(mux.intake() == Intake::wants_frame);
  CHECK(said(mux) == Lines{"000201"});
  CHECK(!mux.next_deadline());
}

TEST_CASE("one message larger than all that may be parked waits in its frame, and is delivered from there") {
  Mux mux(defaults);
  hear(mux, open_frame(1, "p"));
  Buffer frame = frame_of({1, 3});
  frame.resize(8 * 1'024 * 1'024);
  mux.receive(frame, start);
  CHECK(!mux.next_event());
  CHECK(mux.intake() == Intake::awaits_decision);
  mux.open("p", none(), none());
  CHECK(line(*mux.next_event()) == "opened 1 ");
  const auto event = mux.next_event();
  REQUIRE(event.has_value());
  CHECK(std::get<ChannelMessage>(*event).body.data() == frame.data() + 2);
}

TEST_CASE("pending opens expire one after the other, each 10 s after it came") {
  Mux mux(defaults);
  hear(mux, open_frame(1, "p"), start);
  hear(mux, open_frame(2, "q"), start + milliseconds(4'000));
  mux.on_time(start + milliseconds(10'000));
  CHECK(drain(mux) == Lines{"withdrawn #1"});
  CHECK(mux.next_deadline() == start + milliseconds(14'000));
  mux.on_time(start + milliseconds(20'000));
  CHECK(drain(mux) == Lines{"withdrawn #2"});
  mux.open("p", none(), none());  // decided too late: an open of our own
  CHECK(drain(mux) == Lines{});
}

TEST_CASE("a protocol name above 128 bytes or an id above 64 is refused, and keeps nothing") {
  Mux mux(defaults);
  CHECK(hear(mux, open_frame(1, std::string(128, 'p'), std::string(128, 'a'))).size() == 1);
  CHECK(hear(mux, open_frame(2, std::string(129, 'p'))) == Lines{});
  CHECK(hear(mux, open_frame(3, "p", std::string(130, 'a'))) == Lines{});
  CHECK(said(mux) == Lines{"000000"
                           "020202"
                           "020203"});
  CHECK(mux.pending_opens() == 1);
}

TEST_CASE("hostile long_protocol_name of 16 MiB is malformed_open") {
  Mux mux(defaults);
  Buffer frame;
  put_open(frame, 1, std::string(16'000'000, 'p'));
  CHECK(refuse_all(mux, frame) == SessionEnd::malformed_open);
}

TEST_CASE("a handshake larger than all that may be parked is malformed_open") {
  Mux mux(defaults);
  CHECK(hear(mux, open_frame(1, "p", "", std::string(2 * 40'000, 'a'))) == Lines{"failed malformed_open"});
}

TEST_CASE("handshakes count as parked bytes") {
  Mux mux(defaults);
  hear(mux, open_frame(1, "p", "", std::string(2 * 20'000, 'a')));
  const Buffer second = bytes_of(open_frame(2, "q", "", std::string(2 * 20'000, 'a')));
  mux.receive(second, start);
  CHECK(drain(mux) == Lines{});
  CHECK(mux.intake() == Intake::awaits_decision);
}

TEST_CASE("a protocol name that is not UTF-8 is an unknown name like any other") {
  Mux mux(defaults);
  const Lines events = hear(mux, open_frame(1, "\xff\xfe"));
  CHECK(events.size() == 1);
  mux.reject(OpenTicket{1});
  CHECK(said(mux) == Lines{"000201"});
}

TEST_CASE("hostile batch_in_batch is malformed_batch") {
  Mux mux(defaults);
  CHECK(hear(mux,
             "000000"
             "03000000") == Lines{"failed malformed_batch"});
  Mux later(defaults);
  CHECK(hear(later,
             "000001"
             "0000"
             "0100") == Lines{"failed malformed_batch"});
}

TEST_CASE("hostile batch_zero_entries x 10^6 passes in slices of 4,096, in linear time") {
  Mux mux(defaults);
  mux.open("p", none(), none());
  hear(mux, open_frame(1, "p"));
  Buffer batch = bytes_of("000001");
  batch.resize(3 + 2'000'000);
  for (std::size_t i = 4; i < batch.size(); i += 2)
    batch[i] = std::byte{1};  // switch to channel 1, again and again
  append(batch, bytes_of("0100"));
  mux.receive(batch, start);
  std::size_t slices = 0, events = 0;
  do {
    ++slices;
    while (mux.next_event()) ++events;
  } while (mux.intake() == Intake::has_more);
  CHECK(events == 1);
  CHECK(slices == (1'000'002 + defaults.batch_slice) / defaults.batch_slice);
  CHECK(mux.intake() == Intake::wants_frame);
}

TEST_CASE("a batch of many messages gives others their turn after each slice") {
  Mux mux(defaults);
  mux.open("p", none(), none());
  hear(mux, open_frame(1, "p"));
  Buffer batch = bytes_of("000001");
  for (int i = 0; i < 10'000; ++i) append(batch, bytes_of("0107"));
  mux.receive(batch, start);
  std::vector<std::size_t> slices;
  do {
    slices.push_back(0);
    while (mux.next_event()) ++slices.back();
  } while (mux.intake() == Intake::has_more);
  CHECK(slices == std::vector<std::size_t>{4'095, 4'096, 1'809});  // the first step is the batch's head
}

TEST_CASE(
    "hostile batch_overrun: an entry past the end is cut there, a switch past the end is malformed_batch") {
  Mux mux(defaults);
  mux.open("p", none(), none());
  hear(mux, open_frame(1, "p"));
  CHECK(hear(mux,
             "000001"
             "fe00ffffff"
             "00ab") == Lines{"message 1/0 ab"});
  CHECK(hear(mux,
             "000001"
             "00fd01") == Lines{"failed malformed_batch"});
}

TEST_CASE(
    "hostile close_unknown and message_after_close leave no trace, reject_unknown is malformed_reject") {
  Mux mux(defaults);
  const std::size_t before = heap_in_use();
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    refuse_all(mux, frame_of({0, 3, i}));
    refuse_all(mux, frame_of({i + 1, 0}));
  }
  CHECK(heap_in_use() < before + 64 * 1'024);
  CHECK(refuse_all(mux, frame_of({0, 2, 1})) == SessionEnd::malformed_reject);
}

TEST_CASE("opening and closing for ever keeps nothing") {
  Mux a(defaults), b(defaults);
  const auto carry = [](Mux& from, Mux& to) {
    while (const auto frame = from.next_frame()) {
      to.receive(frame->content(), start);
      while (to.next_event()) {
      }
    }
  };
  std::size_t after_ten = 0;
  for (int i = 0; i < 2'000; ++i) {
    if (i == 10) after_ten = heap_in_use();
    const LocalId ours = a.open("p", none(), none());
    const LocalId theirs = b.open("p", none(), none());
    CHECK(ours.value == 1);
    carry(a, b);
    carry(b, a);
    if (i % 2 == 0)
      a.close(ours);
    else
      b.close(theirs);
    carry(a, b);
    carry(b, a);
  }
  CHECK(a.channel_count() == 0);
  CHECK(b.channel_count() == 0);
  CHECK(heap_in_use() < after_ten + 64 * 1'024);
}

TEST_CASE("an idle channel costs less than 200 bytes") {
  constexpr std::uint64_t channels = 20'000;
  Mux mux(defaults);
  const std::size_t before = heap_in_use();
  for (std::uint64_t i = 1; i <= channels; ++i) {
    Buffer id(32);
    Buffer number = frame_of({i});
    std::copy(number.begin(), number.end(), id.begin());
    mux.open("hypercore/alpha", id, none());
    while (mux.next_frame()) {
    }
    Buffer open = frame_of({0, 1, i});
    Writer writer(open);
    writer.text("hypercore/alpha");
    writer.buffer(id);
    mux.receive(open, start);
    const auto event = mux.next_event();
    if (!event || !std::holds_alternative<ChannelOpened>(*event)) FAIL("not opened");
    while (mux.next_event()) {
    }
  }
  const std::size_t each = (heap_in_use() - before) / channels;
  MESSAGE(each, " bytes a channel");
  CHECK(each < 200);
}
