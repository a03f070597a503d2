#include "engine/peer_node/commands/line_splitter.hpp"

#include <algorithm>
#include <utility>

namespace sheaf::peer_node {

bool LineSplitter::feed(Bytes bytes, std::vector<Buffer>& lines) {
  while (!bytes.empty()) {
    const auto newline = std::find(bytes.begin(), bytes.end(), std::byte{'\n'});
    const auto size = static_cast<std::size_t>(newline - bytes.begin());
    if (unfinished_.size() + size > most_bytes_) return false;
    append(unfinished_, bytes.first(size));
    if (newline == bytes.end()) return true;
    lines.push_back(std::exchange(unfinished_, {}));
    bytes = bytes.subspan(size + 1);
  }
  return true;
}

void LineSplitter::finish(std::vector<Buffer>& lines) {
  if (!unfinished_.empty()) lines.push_back(std::exchange(unfinished_, {}));
}

}  // namespace sheaf::peer_node
