#include <limits>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "engine/peer_node/files/number_set.hpp"

namespace sheaf::peer_node::files {
namespace {

void agree(const NumberSet& numbers, const std::set<std::uint64_t>& model, std::uint64_t number) {
  REQUIRE(numbers.contains(number) == model.contains(number));
}

}  // namespace

TEST_CASE("a set of numbers holds those that were put in, whether they follow each other or not") {
  NumberSet numbers;
  CHECK(!numbers.contains(0));
  std::set<std::uint64_t> model;
  std::mt19937_64 draw(7);
  for (std::uint64_t i = 0; i < 40'000; ++i) {
    const std::uint64_t number = i % 3 == 0 ? draw() : draw() % 20'000;
    agree(numbers, model, number);
    numbers.insert(number);
    model.insert(number);
    agree(numbers, model, number);
  }
  for (std::uint64_t number = 0; number < 25'000; ++number) agree(numbers, model, number);
  for (const std::uint64_t number : model) agree(numbers, model, number);
  numbers.insert(std::numeric_limits<std::uint64_t>::max());
  CHECK(numbers.contains(std::numeric_limits<std::uint64_t>::max()));
}

}  // namespace sheaf::peer_node::files
