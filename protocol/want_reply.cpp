#include "protocol/want_reply.hpp"

#include <algorithm>

namespace sheaf {
namespace {

constexpr std::uint64_t segment_blocks = std::uint64_t{1}
                                         << 21;  // of one bitfield message, and the longest want

}  // namespace

WantReply want_reply(const Bitfield& held, Length length, BlockRange wanted, bool any) {
  WantReply out;
  if (wanted.count().value > segment_blocks) return out;
  const BlockRange prefix{{}, end_of(held.contiguous())};
  const BlockRange here{wanted.begin, std::min(wanted.end, end_of(length))};
  if (any) {
    const BlockRange run = here.begin < prefix.end ? prefix : held.next_run(here);
    if (!run.empty() && !here.empty()) out.range = run;
    return out;
  }
  if (!prefix.empty() && (held.contiguous() >= length || wanted.end <= prefix.end)) {
    out.range = prefix;
    return out;
  }
  for (BlockIndex at{here.begin.value / 32 * 32}; at < here.end;) {
    const BlockIndex segment_end{(at.value / segment_blocks + 1) * segment_blocks};
    const BlockRange part{at, std::min(here.end, segment_end)};
    if (held.any(part)) out.fields.push_back({at, held.words(part)});
    at = segment_end;
  }
  return out;
}

}  // namespace sheaf
