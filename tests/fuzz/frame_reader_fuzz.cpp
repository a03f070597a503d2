// F2: whatever frames a sealed conversation has, however its bytes are split, cut or held: the same messages
// come out, and memory stays within the budget.
#include "tests/fuzz/fuzzed_stream.hpp"

using namespace sheaf;
using namespace sheaf::fuzz;

namespace {
constexpr std::size_t most_bytes = 2'000'000;  // of one conversation, and reads of one flight: an input takes
constexpr std::size_t most_reads = 1'000;      // milliseconds, not seconds
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };

  Limits limits;
  limits.receive_bytes_session = (std::size_t{1} << (next() % 6)) * 1024 * 1024;
  limits.frame_growth_bytes = 4096 << next() % 5;
  SlabPool pool(limits);
  const auto random = seeded_random(1);
  HandshakeKeys keys;
  SecretStream sender(limits, pool, *random, Role::initiator, keys, true, Instant{});
  SecretStream receiver(limits, pool, *random, Role::responder, keys, true, Instant{});
  feed(receiver, take_outgoing(sender));
  check(receiver.open());

  std::vector<StreamMessage> held;
  std::vector<std::size_t> sizes;
  std::size_t heard = 0;
  const auto pull = [&](bool keep) {
    while (auto message = receiver.next_message()) {
      check(heard < sizes.size() && message->plain.size() == sizes[heard]);
      for (const std::byte byte : message->plain) check(byte == static_cast<std::byte>(heard));
      ++heard;
      if (keep) held.push_back(std::move(*message));
    }
  };
  std::size_t total = 0;
  while (at < size && total < most_bytes) {
    for (std::uint8_t frames = next() % 4; frames-- > 0;) {
      const std::uint8_t shape = next();
      const std::size_t bytes = (std::size_t{next()} << (shape % 12)) + shape % 7;
      if (bytes > 0) sizes.push_back(bytes);
      sender.send(Buffer(bytes, static_cast<std::byte>(sizes.size() - 1)));
    }
    const Buffer raw = take_outgoing(sender);
    total += raw.size();
    const std::size_t piece = std::max((std::size_t{next()} << (next() % 12)) + 1, raw.size() / most_reads);
    for (Bytes left = raw; !left.empty();) {
      if (!receiver.wants_bytes()) held.clear();  // whoever held messages lets them go
      const MutableBytes room = receiver.room();
      check(!room.empty());
      const std::size_t count = std::min({room.size(), left.size(), piece});
      std::copy_n(left.begin(), count, room.begin());
      receiver.received(count, {});
      left = left.subspan(count);
      pull(next() % 3 == 0);
      check(receiver.received_memory() <= limits.receive_bytes_session);
      check(!receiver.finished());
    }
    check(heard == sizes.size());
  }
  for (const StreamMessage& message : held)
    for (const std::byte byte : message.plain) check(byte == message.plain[0]);
  receiver.stream_ended({});
  pull(false);
  check(receiver.ended() == SessionEnd::remote_ended);
  return 0;
}
