// seed_corpus VECTORS... FOLDER: writes every recorded byte string of the vectors as a file of its own, the
// seeds from which all fuzz targets start.
//
// A byte string is a JSON string of at least two hex digits and an even number of them; which field it stands
// in does not matter, since a fuzzer drops what its target has no use for. Equal strings give one file.
//
// A recorded session gives two more: all that one side said, in the form of core_channel_fuzz.cpp, with what
// the owner of a core does in between.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

namespace fs = std::filesystem;

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The bytes that the text spells in hex, or an empty string where it spells none.
std::string unhex(std::string_view text) {
  if (text.size() % 2 != 0) return {};
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

std::set<std::string> byte_strings(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  std::set<std::string> found;
  for (std::size_t open = text.find('"'); open != std::string::npos;) {
    const std::size_t close = text.find('"', open + 1);
    if (close == std::string::npos) break;
    if (auto bytes = unhex(std::string_view(text).substr(open + 1, close - open - 1)); !bytes.empty()) {
      found.insert(std::move(bytes));
    }
    open = text.find('"', close + 1);
  }
  return found;
}

// The value of a JSON member whose name comes next, searched from `from` on; empty where there is none.
std::string_view member(std::string_view text, std::string_view name, std::size_t from = 0) {
  const std::string quoted = '"' + std::string(name) + "\":";
  std::size_t at = text.find(quoted, from);
  if (at == std::string_view::npos) return {};
  at = text.find('"', at + quoted.size());
  const std::size_t end = text.find('"', at + 1);
  return at == std::string_view::npos || end == std::string_view::npos ? std::string_view()
                                                                       : text.substr(at + 1, end - at - 1);
}

// What the reader said to us as the writer, and what the writer said to us as a reader.
std::set<std::string> sessions(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const std::string seed = unhex(member(text, "writerSeed"));
  if (seed.empty()) return {};
  std::set<std::string> found;
  for (const std::string_view speaker : {"reader", "writer"}) {
    const bool we_write = speaker == "reader";
    // As many blocks as most sessions have.
    std::string out = seed + '\x04' + (we_write ? '\1' : '\0');
    const auto step = [&out](int which, int argument) {
      out.push_back(static_cast<char>(which));
      out.push_back(static_cast<char>(argument));
    };
    const std::string from = "\"from\":";
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
      if (member(text, "from", at) != speaker) continue;
      const std::string frame = unhex(member(text, "hex", at));
      step(0, static_cast<int>(frame.size() / 256));
      out.push_back(static_cast<char>(frame.size() % 256));
      out += frame;
      if (we_write) {
        step(4, 255);  // take all requests, and answer three
        for (const int packing : {0, 1, 0}) step(5, packing);
      } else {
        step(6, 0);  // verify, ask for a longer tree, hear the true answer, ask for blocks
        step(7, 0);
        step(3, 0);
        step(6, 0);
        for (int block = 0; block < 5; ++block) step(8, block);
        step(14, 0);
      }
    }
    found.insert(std::move(out));
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: seed_corpus VECTORS... FOLDER\n";
    return 2;
  }
  std::set<std::string> seeds;
  const fs::path folder = argv[argc - 1];
  for (int i = 1; i < argc - 1; ++i) {
    for (const auto& file : fs::directory_iterator(argv[i])) {
      if (file.path().extension() != ".json") continue;
      seeds.merge(byte_strings(file.path()));
      seeds.merge(sessions(file.path()));
    }
  }
  fs::create_directories(folder);
  std::size_t number = 0;
  for (const auto& seed : seeds) {
    std::ofstream out(folder / ("seed-" + std::to_string(number++)), std::ios::binary);
    out << seed;
    if (!out.flush()) {
      std::cerr << "seed_corpus: cannot write into " << folder.string() << "\n";
      return 1;
    }
  }
  std::cout << number << " seeds\n";
  return number > 0 ? 0 : 1;
}
