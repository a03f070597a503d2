// The names directly below a folder that a flat listing has given, so that none is given twice.
//
// Entries come in the order of their keys, or all in the reverse of it. A name comes twice only where a file
// and a folder share it, and whatever lies between the two begins with that name. So only names that the
// present one begins with are kept: what is held does not grow with the folder.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sheaf {

class GivenParts {
 public:
  // Whether the name was not given yet; from now on it is.
  bool give(const std::string& part) {
    while (!begun_.empty() && !part.starts_with(begun_.back())) begun_.pop_back();
    if (!begun_.empty() && begun_.back() == part) return false;
    begun_.push_back(part);
    return true;
  }
  std::size_t held() const { return begun_.size(); }

 private:
  std::vector<std::string> begun_;  // each begins with the one before
};

}  // namespace sheaf
