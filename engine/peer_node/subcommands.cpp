#include "engine/peer_node/subcommands.hpp"

#include <CLI/CLI.hpp>

namespace sheaf::peer_node {

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& what,
                      const std::string& example) {
  CLI::App* sub = parent.add_subcommand(name, what);
  sub->footer("Example:\n  " + example + "\n\nGlobal options: see sheaf --help.");
  return sub;
}

}  // namespace sheaf::peer_node
