// A small secret out of a file or stdin, in memory that is wiped.
#pragma once

#include "engine/peer_node/commands/context.hpp"

namespace sheaf::peer_node {

class SecretText {
 public:
  // Room for `most` bytes. It is there from the start: growing would leave copies behind.
  explicit SecretText(std::size_t most) : room_(most + 1) {}
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe(room_); }

  // Reads the file, to its end; "-" is stdin.
  boost::asio::awaitable<Result<void>> read(const std::string& name, Io& io);

  Bytes bytes() const { return Bytes(room_).first(filled_); }
  bool too_long() const { return filled_ == room_.size(); }  // the end was not reached

 private:
  Result<void> read_file(const std::filesystem::path& path);

  Buffer room_;
  std::size_t filled_ = 0;
};

}  // namespace sheaf::peer_node
