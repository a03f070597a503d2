// What a store goes through on a medium that takes nothing for a while: puts are errors, and go on in the
// same process once it takes something again, with everything that was kept.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "tests/crash/process.hpp"

namespace sheaf::test {

// All values of a folder as `sheaf store list` gives them.
std::map<std::string, std::string> listed_values(const std::string& folder);

struct Medium {
  std::function<void(const Process& holder, Draws& draws)> starve;
  std::function<void(const Process& holder)> feed;
};

struct Starved {
  std::size_t kept_meanwhile = 0;  // puts that were acknowledged before the first that was refused
  std::size_t read_meanwhile = 0;  // times that reading went on
};

// Starves and feeds a process that holds the folder, so many times, while others put values by it.
Starved starve(const std::string& folder, int cycles, const Medium& medium, Draws& draws);

}  // namespace sheaf::test
