// F5: header and frames behind a finished handshake: raw bytes, and sealed frames with bytes altered, whole
// frames dropped, repeated and swapped. Oracle: what is delivered is a prefix of what was sent.
#include "tests/fuzz/fuzzed_stream.hpp"

using namespace sheaf;
using namespace sheaf::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  Limits limits;
  SlabPool pool(limits);
  const auto random = seeded_random(1);
  HandshakeKeys keys;
  SecretStream sender(limits, pool, *random, Role::initiator, keys, true, Instant{});
  SecretStream receiver(limits, pool, *random, Role::responder, keys, true, Instant{});
  const std::size_t piece = next() * std::size_t{5};
  const std::uint8_t mode = next() % 4;
  Buffer header = take_outgoing(sender);
  if (mode == 0) {  // raw bytes instead of everything
    check(feed(receiver, input_bytes(data + at, size - at), piece).empty());
    return 0;
  }
  if (mode == 1) header[next() % header.size()] ^= static_cast<std::byte>(next());
  std::vector<Buffer> sent, frames;
  for (std::uint8_t count = next() % 8; count-- > 0;) {
    sent.push_back(Buffer(1 + next() * std::size_t{next()} / 8, static_cast<std::byte>(count)));
    sender.send(sent.back());
    frames.push_back(take_outgoing(sender));
  }
  if (!frames.empty() && mode >= 2) {
    const std::size_t victim = next() % frames.size(), other = next() % frames.size();
    switch (next() % 5) {
      case 0:
        frames[victim][(next() | next() << 8) % frames[victim].size()] ^= static_cast<std::byte>(next());
        break;
      case 1: frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(victim)); break;
      case 2: frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(victim), frames[other]); break;
      case 3: std::swap(frames[victim], frames[other]); break;
      case 4: frames[victim] = to_buffer(input_bytes(data + at, size - at)); break;
    }
  }
  Buffer raw = header;
  for (const Buffer& frame : frames) append(raw, frame);
  const std::vector<Buffer> heard = feed(receiver, raw, piece);
  check(heard.size() <= sent.size() && std::equal(heard.begin(), heard.end(), sent.begin()));
  receiver.stream_ended({});
  drain(receiver);
  check(receiver.finished());
  return 0;
}
