// A store that bit rot or a lost file has damaged: it says so or tells the truth, and looking at it makes
// nothing worse.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "tests/crash/history.hpp"
#include "tests/crash/process.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t blocks = 400;
const std::vector<std::size_t> asked = {0, 1, 77, 200, 333, blocks - 1};

std::string block_text(std::size_t index) {
  std::string text = std::to_string(index) + ":";
  while (text.size() < 700 + index % 100) text += static_cast<char>('a' + (index + text.size()) % 26);
  return text;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// What the folder answers: the codes of `core info` and of each `core get`. Wrong bytes end the test.
std::vector<int> answers(const std::string& folder) {
  std::vector<int> codes;
  const Ended info = run_sheaf({"-d", folder, "--json", "core", "info", "log"});
  INFO(info.err);
  REQUIRE((info.code == 0 || info.code == 4));
  if (info.code == 0) {
    const auto said = nlohmann::json::parse(info.out);
    REQUIRE(said.at("length") == blocks);
    REQUIRE(said.at("local") == blocks);
  } else {
    REQUIRE_FALSE(info.err.empty());
  }
  codes.push_back(info.code);
  for (const std::size_t index : asked) {
    const Ended got = run_sheaf({"-d", folder, "core", "get", "log", std::to_string(index)});
    INFO("block ", index, ": ", got.err);
    REQUIRE((got.code == 0 || got.code == 4));
    if (got.code == 0) REQUIRE(got.out == block_text(index));
    if (got.code == 4) REQUIRE(got.out.empty());
    codes.push_back(got.code);
  }
  return codes;
}

bool all_good(const std::vector<int>& codes) {
  return std::all_of(codes.begin(), codes.end(), [](int code) { return code == 0; });
}

// A folder with a core whose first half lies in tables and whose rest lies in the log.
std::string make_whole(const CrashFolder& scratch) {
  std::string folder = scratch / "whole";
  REQUIRE(run_sheaf({"-d", folder, "core", "create", "log"}).code == 0);
  for (std::size_t from = 0; from < blocks; from += blocks / 2) {
    std::string lines;
    for (std::size_t i = from; i < from + blocks / 2; ++i) lines += block_text(i) + "\n";
    REQUIRE(run_sheaf({"-d", folder, "core", "append", "log", "--lines"}, lines).code == 0);
  }
  return folder;
}

std::vector<std::string> files_like(const std::string& folder, const std::string& part) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder + "/root")) {
    const std::string name = entry.path().filename().string();
    if (name.find(part) != std::string::npos && entry.file_size() > 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  REQUIRE_MESSAGE(!names.empty(), part);
  return names;
}

struct Tally {
  std::size_t damaged = 0;
  std::size_t said_so = 0;
};

// Damages one file of a copy, asks twice, gives the file its bytes back, and expects everything to be there.
template <class Damage>
void damage_one(const CrashFolder& scratch, const std::string& whole, const std::string& name, Damage damage,
                Tally& tally) {
  const std::string folder = scratch / "damaged";
  fs::remove_all(folder);
  fs::copy(whole, folder, fs::copy_options::recursive);
  const fs::path file = fs::path(folder) / "root" / name;
  const std::string bytes = read_file(file);
  INFO(name, " of ", bytes.size(), " bytes");
  damage(file, bytes);

  const std::vector<int> first = answers(folder);
  const std::vector<int> second = answers(folder);
  ++tally.damaged;
  if (all_good(first)) {  // it hit what nobody needs
    REQUIRE(all_good(second));
    return;
  }
  ++tally.said_so;
  CHECK(first == second);
  write_file(file, bytes);
  CHECK(all_good(answers(folder)));
}

}  // namespace

TEST_CASE(
    "a store with a flipped bit says so with exit 4 or tells the truth, and is not made worse by that") {
  Draws draws(9);
  CrashFolder scratch;
  const std::string whole = make_whole(scratch);
  for (const char* part : {".ldb", ".log", "MANIFEST", "CURRENT"}) {
    Tally tally;
    for (int time = 0; time < 5; ++time) {
      const auto names = files_like(whole, part);
      const std::string& name = names[draws.below(names.size())];
      const auto flip = [&](const fs::path& file, std::string bytes) {
        const std::size_t at = draws.below(bytes.size());
        MESSAGE(part, ": bit flipped at ", at, " of ", bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << draws.below(8)));
        write_file(file, bytes);
      };
      damage_one(scratch, whole, name, flip, tally);
    }
    std::printf("crash: %zu flipped bits in %s: %zu times exit 4, else true data\n", tally.damaged, part,
                tally.said_so);
  }
}

TEST_CASE("a store that lost a file says so with exit 4, and has everything once the file is back") {
  CrashFolder scratch;
  const std::string whole = make_whole(scratch);
  Tally tally;
  for (const char* part : {".ldb", "MANIFEST", "CURRENT"})
    for (const std::string& name : files_like(whole, part))
      damage_one(
          scratch, whole, name, [](const fs::path& file, const std::string&) { fs::remove(file); }, tally);
  CHECK(tally.said_so == tally.damaged);
  std::printf("crash: %zu lost files: %zu times exit 4\n", tally.damaged, tally.said_so);
}
