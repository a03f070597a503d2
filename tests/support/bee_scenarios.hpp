// The recorded scenarios of tests/vectors/drive/bee-*.json, whoever plays them.
#pragma once

#include <cstddef>

#include "tests/support/vectors.hpp"

namespace sheaf::test {

// `Scenario` is made of one recorded scenario, plays and compares it in run(), and counts what it compared:
// `operations` that were written alike, and `answers` to questions.
template <class Scenario>
void run_bee_scenarios(const nlohmann::json& scenarios) {
  std::size_t operations = 0;
  std::size_t answers = 0;
  for (const nlohmann::json& recorded : scenarios) {
    Scenario scenario(recorded);
    scenario.run();
    operations += scenario.operations;
    answers += scenario.answers;
  }
  CHECK(operations > 0);
  CHECK(answers > 0);
  MESSAGE(scenarios.size(), " scenarios, ", operations, " operations written alike, ", answers, " answers");
}

}  // namespace sheaf::test
