#include "engine/peer_node/commands/folder_report.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/progress.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

FolderReport::FolderReport(CommandContext& context, Io& io) : context_(context), io_(io) {}

asio::awaitable<Result<void>> FolderReport::did(std::string_view operation, const std::string& name,
                                                const CoreKey& link) {
  co_await wipe_progress();
  std::string line;
  if (context_.global.json)
    line = to_line({{"op", std::string(operation)}, {"name", name}, {"link", to_string(link)}});
  else
    line = fmt::format("{} {}", operation, printable(name));
  co_return co_await io_.print(std::move(line));
}

asio::awaitable<void> FolderReport::left_out(const std::string& name, std::string_view why, int code) {
  if (code == exit_code::integrity)
    ++unsafe_;
  else if (code == exit_code::no_peer)
    ++missing_;
  else if (code != exit_code::done)
    ++failed_;
  co_await wipe_progress();
  co_await io_.say(fmt::format("sheaf: {}: {}", printable(name), why));
}

asio::awaitable<void> FolderReport::left_out(const std::string& name, const Error& error) {
  co_await left_out(name, error.message(), peer_node::exit_code_of(error));
}

Outcome FolderReport::outcome() const {
  const auto counted = [](std::uint64_t count, std::string_view what) {
    return fmt::format("{} {} {}", count, count == 1 ? "name was" : "names were", what);
  };
  if (unsafe_ > 0) return failed(exit_code::integrity, counted(unsafe_, "left out as unsafe or damaged"));
  if (missing_ > 0) return failed(exit_code::no_peer, counted(missing_, "left out: not all of it is here"));
  if (failed_ > 0) return failed(exit_code::failed, counted(failed_, "left out"));
  return {};
}

// A line on the same terminal begins where the progress is drawn.
asio::awaitable<void> FolderReport::wipe_progress() {
  if (draws_progress(context_.global, io_)) co_await io_.draw("\r\x1b[K");
}

int exit_code_of(files::SkipReason reason) {
  using files::SkipReason;
  switch (reason) {
    case SkipReason::not_absolute:
    case SkipReason::not_normal:
    case SkipReason::nul_in_name:
    case SkipReason::not_utf8:
    case SkipReason::part_too_long:
    case SkipReason::path_too_long:
    case SkipReason::too_deep:
    case SkipReason::reserved:
    case SkipReason::leaves_folder:
    case SkipReason::bad_link_text:
    case SkipReason::under_link:
    case SkipReason::own_folder: return exit_code::integrity;
    case SkipReason::no_contents: return exit_code::done;  // a folder has no place for it
    case SkipReason::unknown_kind:
    case SkipReason::under_file:
    case SkipReason::folder_in_the_way:
    case SkipReason::special_in_the_way:
    case SkipReason::same_file:
    case SkipReason::given_twice:
    case SkipReason::over_max_bytes:
    case SkipReason::disk_full: return exit_code::failed;
  }
  return exit_code::failed;
}

}  // namespace sheaf::peer_node
