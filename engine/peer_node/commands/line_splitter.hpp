// Cuts a stream of bytes into lines, without keeping more than the line that is not finished.
#pragma once

#include <vector>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf::peer_node {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Adds the lines that `bytes` finish to `lines`, without their newlines. False once a line is longer than
  // allowed; then nothing more comes.
  bool feed(Bytes bytes, std::vector<Buffer>& lines);
  // The last line, if the input did not end with a newline.
  void finish(std::vector<Buffer>& lines);

 private:
  std::size_t most_bytes_;
  Buffer unfinished_;
};

}  // namespace sheaf::peer_node
