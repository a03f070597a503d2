// F4: any first bytes to an initiator, and an honest responder's with the input laid over them.
#include "tests/fuzz/fuzzed_stream.hpp"

using namespace sheaf;
using namespace sheaf::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto pattern = static_cast<NoisePattern>(data[0] % 3);
  const std::size_t piece = data[1] % 110;
  const Bytes input = input_bytes(data + 3, size - 3);
  Limits limits;
  SlabPool pool(limits);
  const auto random = seeded_random(1);
  SecretStream::Options i, r;
  i.static_key = key_pair_number(1);
  r.static_key = key_pair_number(2);
  r.role = Role::responder;
  i.pattern = r.pattern = pattern;
  i.expected_remote = r.static_key.public_key;
  SecretStream initiator(limits, pool, *random, std::move(i), Instant{});
  SecretStream responder(limits, pool, *random, std::move(r), Instant{});
  const Buffer first = take_outgoing(initiator);
  if (data[2] % 2 == 0) {
    check(feed(initiator, input, piece).empty());
    check(!initiator.secured());
    return 0;
  }
  feed(responder, first);
  responder.send(as_bytes("hello"));
  Buffer answer = take_outgoing(responder);
  bool altered = false;
  for (std::size_t at = 0; at < std::min(answer.size(), input.size()); ++at) {
    altered |= input[at] != std::byte{0};
    answer[at] ^= input[at];
  }
  const std::vector<Buffer> heard = feed(initiator, answer, piece);
  check(!altered || heard.empty() || as_text(heard[0]) == "hello");
  check(altered || !initiator.finished());
  return 0;
}
