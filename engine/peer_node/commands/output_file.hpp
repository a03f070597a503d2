// Where `read -o FILE` puts what it reads.
#pragma once

#include <filesystem>
#include <memory>
#include <variant>

#include "engine/peer_node/descriptor.hpp"
#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node {

// A file appears under its name, or takes the place of what was there, at once and whole: whoever stops
// before finish() leaves it as it was. What is there and no file, such as a pipe or a device, is written
// into. Blocks.
class OutputFile {
 public:
  // `number` is drawn at random, for the temporary name. `mask` is the umask of whoever wants the file.
  static Result<OutputFile> open(const std::filesystem::path& path, std::uint64_t number, mode_t mask);

  Result<void> write(Bytes bytes);
  Result<void> finish();

 private:
  struct Replaced {
    std::unique_ptr<files::NewFile> file;
    std::string name;
  };
  std::variant<Replaced, Descriptor> goal_;

  explicit OutputFile(std::variant<Replaced, Descriptor> goal) : goal_(std::move(goal)) {}
};

}  // namespace sheaf::peer_node
