// Arguments and environment in, a Command out: a pure function, so that every rule of the command line has a
// test.
//
// Global options may stand before or after the command. A flag beats an environment variable (SHEAF_DIR,
// SHEAF_CONFIG, SHEAF_JSON, SHEAF_TIMEOUT, SHEAF_QUIET, SHEAF_VERBOSE, SHEAF_LISTEN, SHEAF_PEER,
// SHEAF_SPARSE), which beats the configuration file. An empty variable is no variable.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "engine/peer_node/command.hpp"
#include "engine/peer_node/surroundings.hpp"

namespace sheaf::peer_node {

inline constexpr const char* program_version = "0.1.0";

// Nothing to run: help or a version for stdout (code 0), or what was wrong for stderr (code 2).
struct Said {
  int code;
  std::string text;
};
using Parsed = std::variant<Command, Said>;

// `arguments` without the program's own name.
Parsed parse_arguments(const std::vector<std::string>& arguments, const Surroundings& around);

}  // namespace sheaf::peer_node
