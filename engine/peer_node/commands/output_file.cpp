#include "engine/peer_node/commands/output_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "engine/peer_node/files/disk_directory.hpp"
#include "engine/peer_node/files/entry_path.hpp"

namespace sheaf::peer_node {
namespace {

namespace fs = std::filesystem;

Error last_error() { return {errno, boost::system::system_category()}; }

}  // namespace

Result<OutputFile> OutputFile::open(const fs::path& path, std::uint64_t number, mode_t mask) {
  std::error_code missing;
  const fs::path there = fs::canonical(path, missing);  // a link is followed: what it leads to is meant
  const fs::path goal = missing ? path : there;
  std::error_code ignored;
  if (!missing && !fs::is_regular_file(there, ignored)) {
    Descriptor opened(::open(there.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (!opened) return last_error();
    return OutputFile(std::move(opened));
  }
  using files::DiskDirectory;
  auto folder = DiskDirectory::at(goal.parent_path(), false, DiskDirectory::Opening::best, mask);
  if (!folder) return folder.error();
  auto file = (*folder)->create(files::temporary_name(number));
  if (!file) return file.error();
  return OutputFile(Replaced{std::move(*file), goal.filename()});
}

Result<void> OutputFile::write(Bytes bytes) {
  if (auto* replaced = std::get_if<Replaced>(&goal_)) return replaced->file->write(bytes);
  while (!bytes.empty()) {
    const ssize_t went = ::write(std::get<Descriptor>(goal_).get(), bytes.data(), bytes.size());
    if (went >= 0)
      bytes = bytes.subspan(static_cast<std::size_t>(went));
    else if (errno != EINTR)
      return last_error();
  }
  return {};
}

Result<void> OutputFile::finish() {
  auto* replaced = std::get_if<Replaced>(&goal_);
  if (!replaced) return {};
  if (auto published = replaced->file->publish(replaced->name, false, std::nullopt); !published)
    return published.error();
  return {};
}

}  // namespace sheaf::peer_node
