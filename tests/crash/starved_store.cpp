#include "tests/crash/starved_store.hpp"

#include <csignal>
#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace sheaf::test {

std::map<std::string, std::string> listed_values(const std::string& folder) {
  const Ended ended = run_sheaf({"-d", folder, "--json", "store", "list", "--values"});
  REQUIRE_MESSAGE(ended.code == 0, ended.err);
  std::map<std::string, std::string> out;
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) {
    const auto one = nlohmann::json::parse(line);
    out[one.at("key").get<std::string>()] = one.at("value").get<std::string>();
  }
  return out;
}

Starved starve(const std::string& folder, int cycles, const Medium& medium, Draws& draws) {
  std::map<std::string, std::string> values;
  const auto put = [&](const std::string& key, const std::string& value) {
    Ended ended = run_sheaf({"-d", folder, "store", "put", key}, value);
    if (ended.code == 0) values[key] = value;
    return ended;
  };
  REQUIRE(put("first", "1").code == 0);
  Process holder(sheaf_command({"-d", folder, "serve", "--listen", "tcp://127.0.0.1:0"}));
  REQUIRE(holder.line().has_value());  // it listens, and so holds the folder

  Starved out;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    medium.starve(holder, draws);
    std::string refused_key, refused_value;
    for (int number = 0; refused_key.empty(); ++number) {
      REQUIRE(number < 500);
      const std::string key = "k" + std::to_string(draws.below(60));
      std::string value = std::to_string(cycle) + "/" + std::to_string(number) + ":";
      value.resize(value.size() + draws.below(draws.one_in(2) ? 3'000 : 60'000), 'v');
      const Ended ended = put(key, value);
      out.kept_meanwhile += ended.code == 0;
      if (ended.code == 0) continue;
      REQUIRE_MESSAGE(ended.code == 1, ended.err);
      REQUIRE_FALSE(ended.err.empty());
      refused_key = key;
      refused_value = value;
    }
    // It may or may not be possible to read; if it is, it is the truth.
    const Ended read = run_sheaf({"-d", folder, "store", "get", "first"});
    if (read.code == 0) REQUIRE(read.out == "1");
    out.read_meanwhile += read.code == 0;

    medium.feed(holder);
    const Ended after = put("after", std::to_string(cycle));
    INFO("cycle ", cycle);
    REQUIRE_MESSAGE(after.code == 0, after.err);
    auto found = listed_values(folder);
    // What failed in the root may be found applied or not, whole in either case.
    if (found[refused_key] == refused_value) values[refused_key] = refused_value;
    if (!values.contains(refused_key) && found[refused_key].empty()) found.erase(refused_key);
    REQUIRE(found == values);
  }
  CHECK(holder.kill().code == -SIGKILL);  // the same process all the time
  CHECK(listed_values(folder) == values);
  const Ended check = run_sheaf({"-d", folder, "store", "check"});
  CHECK_MESSAGE(check.code == 0, check.out, check.err);
  return out;
}

}  // namespace sheaf::test
