// F3: any first bytes to a responder, and an honest initiator's with the input laid over them.
#include "tests/fuzz/fuzzed_stream.hpp"

using namespace sheaf;
using namespace sheaf::fuzz;

namespace {

struct Sides {
  explicit Sides(NoisePattern pattern) {
    SecretStream::Options i, r;
    i.static_key = key_pair_number(1);
    r.static_key = key_pair_number(2);
    r.role = Role::responder;
    i.pattern = r.pattern = pattern;
    i.expected_remote = r.static_key.public_key;
    initiator.emplace(limits, pool, *random, std::move(i), Instant{});
    responder.emplace(limits, pool, *random, std::move(r), Instant{});
  }
  Limits limits;
  SlabPool pool{limits};
  std::unique_ptr<RandomSource> random = seeded_random(1);
  std::optional<SecretStream> initiator, responder;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto pattern = static_cast<NoisePattern>(data[0] % 3);
  const std::size_t piece = data[1] % 70;
  const std::uint8_t turn = data[2] % 3;  // raw bytes; message 1 altered; message 3 altered
  const Bytes input = input_bytes(data + 3, size - 3);
  Sides sides(pattern);
  if (turn == 0) {
    check(feed(*sides.responder, input, piece).empty());
    check(!sides.responder->secured());
    return 0;
  }
  sides.initiator->send(as_bytes("hello"));
  bool altered = false;
  const auto flight = [&](bool alter) {
    Buffer raw = take_outgoing(*sides.initiator);
    for (std::size_t i = 0; alter && i < std::min(raw.size(), input.size()); ++i) {
      altered |= input[i] != std::byte{0};
      raw[i] ^= input[i];
    }
    return feed(*sides.responder, raw, piece);
  };
  std::vector<Buffer> heard = flight(turn == 1);
  feed(*sides.initiator, take_outgoing(*sides.responder), piece);
  for (Buffer& message : flight(turn == 2)) heard.push_back(std::move(message));
  check(altered || (heard.size() == 1 && as_text(heard[0]) == "hello"));
  check(!altered || heard.empty() || as_text(heard[0]) == "hello");
  return 0;
}
