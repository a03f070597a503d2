#include "engine/peer_node/surroundings.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace sheaf::peer_node {
namespace {

bool matters(std::string_view name) {
  return name.starts_with("SHEAF_") || name == "HOME" || name == "XDG_DATA_HOME";
}

// The umask can only be read by setting it; called before there are other threads.
mode_t current_file_mask() {
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

}  // namespace

std::optional<std::string> Surroundings::variable(const std::string& name) const {
  const auto found = environment.find(name);
  if (found == environment.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::filesystem::path Surroundings::resolve(const std::filesystem::path& path) const {
  return (working_folder / path).lexically_normal();
}

Surroundings surroundings_of_process() {
  Surroundings around;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || !matters(line.substr(0, equals))) continue;
    around.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  std::error_code ignored;
  around.working_folder = std::filesystem::current_path(ignored);
  if (around.working_folder.empty()) around.working_folder = "/";
  around.file_mask = current_file_mask();
  return around;
}

std::optional<std::filesystem::path> default_folder(const Surroundings& around) {
  if (const auto dir = around.variable("SHEAF_DIR")) return around.resolve(*dir);
  // The XDG rule: a relative value is as good as none.
  if (const auto data = around.variable("XDG_DATA_HOME"); data && data->starts_with('/'))
    return std::filesystem::path(*data) / "sheaf";
  if (const auto home = around.variable("HOME")) return around.resolve(*home) / ".local/share/sheaf";
  return std::nullopt;
}

}  // namespace sheaf::peer_node
