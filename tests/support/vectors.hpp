// Opens the recorded bytes of tests/vectors and turns their hex into ours.
#pragma once

#include <fstream>
#include <map>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "sheaf/protocol/key.hpp"
#include "tests/support/places.hpp"

namespace sheaf::test {

// Requires: tests/vectors/<path> exists and is JSON. Kept until the program ends, so that a loop may run over
// vectors(...)["list"]: the range of a for statement does not keep a temporary alive.
inline const nlohmann::json& vectors(const std::string& path) {
  static std::map<std::string, nlohmann::json> read;
  if (const auto known = read.find(path); known != read.end()) return known->second;
  std::ifstream file(vectors_folder() / path);
  REQUIRE_MESSAGE(file.good(), "no vector file ", path);
  return read[path] = nlohmann::json::parse(file);
}

inline Buffer unhex(const nlohmann::json& text) {
  auto bytes = from_hex(text.get<std::string>());
  REQUIRE_MESSAGE(bytes.has_value(), "not hex: ", text.dump());
  return *bytes;
}

template <class Fixed>
Fixed unhex_as(const nlohmann::json& text) {
  const Buffer bytes = unhex(text);
  REQUIRE(bytes.size() == Fixed::size);
  return Fixed::from(bytes);
}

}  // namespace sheaf::test
