// seed_corpus VECTORS FOLDER: writes every recorded byte string of the wire vectors as a file of its own, the
// seeds from which all fuzz targets start.
//
// A byte string is a JSON string of at least two hex digits and an even number of them; which field it stands
// in does not matter, since a fuzzer drops what its target has no use for. Equal strings give one file.
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: seed_corpus VECTORS FOLDER\n";
    return 2;
  }
  std::set<std::string> seeds;
  for (const auto& file : fs::directory_iterator(argv[1])) {
    if (file.path().extension() == ".json") seeds.merge(byte_strings(file.path()));
  }
  fs::create_directories(argv[2]);
  std::size_t number = 0;
  for (const auto& seed : seeds) {
    std::ofstream out(fs::path(argv[2]) / ("seed-" + std::to_string(number++)), std::ios::binary);
    out << seed;
    if (!out.flush()) {
      std::cerr << "seed_corpus: cannot write into " << argv[2] << "\n";
      return 1;
    }
  }
  std::cout << number << " seeds\n";
  return number > 0 ? 0 : 1;
}
