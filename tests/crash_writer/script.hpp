// What a writer does with a core, drawn from a seed: the writer plays it, and whoever watches the writer
// plays it along and knows which blocks were acknowledged.
#pragma once

#include <random>
#include <vector>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf::test {

struct WriterStep {
  bool truncate = false;
  std::uint64_t length = 0;    // truncate: what is left
  std::vector<Buffer> blocks;  // append
  bool synced = false;         // against the loss of power too
};

class WriterScript {
 public:
  WriterScript(std::uint64_t seed, bool truncates) : engine_(seed), truncates_(truncates) {}

  // What comes next for a core of this length.
  WriterStep next(std::uint64_t length) {
    WriterStep step;
    step.synced = below(8) == 0;
    if (truncates_ && length > 0 && below(6) == 0) {
      step.truncate = true;
      step.length = length - 1 - below(length < 40 ? length : 40);
      return step;
    }
    const std::uint64_t count = 1 + below(below(10) == 0 ? 100 : 4);
    for (std::uint64_t i = 0; i < count; ++i) step.blocks.push_back(block());
    return step;
  }

 private:
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }

  // Mostly small, now and then large enough for several records of the store's log; other bytes each time.
  Buffer block() {
    const std::uint64_t kind = below(200);
    Buffer bytes(below(kind == 0 ? 200'000 : kind < 10 ? 8'000 : 200));
    const std::uint64_t start = engine_();
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>((start + i * i * 2654435761u) >> (8 * (i % 4)));
    return bytes;
  }

  std::mt19937_64 engine_;
  bool truncates_;
};

}  // namespace sheaf::test
