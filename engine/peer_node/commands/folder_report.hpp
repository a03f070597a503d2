// What an import or export says of each name, and what all of it comes to for the shell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/peer_node/commands/context.hpp"
#include "engine/peer_node/files/skip_reason.hpp"

namespace sheaf::peer_node {

class FolderReport {
 public:
  FolderReport(CommandContext& context, Io& io);

  // "add NAME" on stdout, or {"op","name","link"} with --json. Fails when stdout does.
  boost::asio::awaitable<Result<void>> did(std::string_view operation, const std::string& name,
                                           const CoreKey& link);
  // One name stays undone, and the rest goes on; said on stderr. `code`: what it makes of the exit code.
  boost::asio::awaitable<void> left_out(const std::string& name, std::string_view why, int code);
  boost::asio::awaitable<void> left_out(const std::string& name, const Error& error);

  // 4 where something was passed over as unsafe, else 6 where something was not here, else 1 where something
  // failed.
  Outcome outcome() const;
  bool complete() const { return unsafe_ + missing_ + failed_ == 0; }

 private:
  boost::asio::awaitable<void> wipe_progress();

  CommandContext& context_;
  Io& io_;
  std::uint64_t unsafe_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t failed_ = 0;
};

// The exit code of an export that passed an entry over for that reason.
int exit_code_of(files::SkipReason reason);

}  // namespace sheaf::peer_node
