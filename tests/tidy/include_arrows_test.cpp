// Reads the #include lines of the source tree and holds them against the arrows of docs/architecture.md. That
// a forbidden arrow does not link is the compiler's part; this part sees headers too, and third-party ones.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/places.hpp"

namespace fs = std::filesystem;

namespace {

struct Include {
  std::string file;    // from the root, e.g. "net/streams.cpp"
  std::string target;  // as written between the marks
  bool angled = false;
};

struct Source {
  std::string file;
  std::vector<Include> includes;
  std::size_t lines = 0;
};

const std::vector<std::string> folders{"protocol", "storage", "net", "engine"};

Source read(const fs::path& path) {
  Source source{fs::relative(path, sheaf::test::source_folder()).generic_string(), {}, 0};
  std::ifstream in(path);
  for (std::string line; std::getline(in, line); ++source.lines) {
    constexpr std::string_view directive = "#include ";
    if (line.rfind(directive, 0) != 0) continue;
    const char open = line[directive.size()];
    const char close = open == '<' ? '>' : '"';
    const std::size_t end = line.find(close, directive.size() + 1);
    REQUIRE_MESSAGE(end != std::string::npos, source.file, ": cannot read ", line);
    source.includes.push_back(
        {source.file, line.substr(directive.size() + 1, end - directive.size() - 1), open == '<'});
  }
  return source;
}

std::vector<Source> sources_of(std::string_view folder) {
  std::vector<Source> sources;
  const fs::path root = sheaf::test::source_folder() / folder;
  if (!fs::exists(root)) return sources;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (extension == ".cpp" || extension == ".hpp") sources.push_back(read(entry.path()));
  }
  std::sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a.file < b.file; });
  return sources;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_public(std::string_view file) { return file.find("/include/sheaf/") != std::string_view::npos; }

// The folder of ours that an include names ("sheaf/net/timers.hpp" and "net/backoff.hpp" give "net"), or
// empty.
std::string folder_named(const Include& include) {
  std::string_view target = include.target;
  if (starts_with(target, "sheaf/")) target.remove_prefix(std::string_view("sheaf/").size());
  const std::string first(target.substr(0, target.find('/')));
  return std::find(folders.begin(), folders.end(), first) != folders.end() ? first : std::string();
}

void only_these_folders(std::string_view folder, const std::vector<std::string>& allowed) {
  for (const auto& source : sources_of(folder)) {
    for (const auto& include : source.includes) {
      const std::string named = folder_named(include);
      CHECK_MESSAGE((named.empty() || std::find(allowed.begin(), allowed.end(), named) != allowed.end()),
                    include.file, " includes ", include.target);
    }
  }
}

bool is_asio(const Include& include) {
  return starts_with(include.target, "boost/asio") || starts_with(include.target, "boost/beast");
}
bool is_leveldb(const Include& include) { return starts_with(include.target, "leveldb/"); }
bool is_sodium(const Include& include) { return starts_with(include.target, "sodium"); }
bool is_magic(const Include& include) { return include.target == "magic.h"; }
bool is_xxhash(const Include& include) { return starts_with(include.target, "xxh"); }

// Every file whose includes satisfy the predicate must satisfy the place.
template <typename Predicate, typename Place>
void only_in(Predicate names_it, Place may_name_it) {
  for (const auto& folder : folders) {
    for (const auto& source : sources_of(folder)) {
      for (const auto& include : source.includes) {
        CHECK_MESSAGE((!names_it(include) || may_name_it(source.file)), source.file, " includes ",
                      include.target);
      }
    }
  }
}

}  // namespace

TEST_CASE("protocol stands on nothing of ours") { only_these_folders("protocol", {"protocol"}); }

TEST_CASE("storage stands on protocol") { only_these_folders("storage", {"storage", "protocol"}); }

TEST_CASE("net stands on protocol") { only_these_folders("net", {"net", "protocol"}); }

TEST_CASE("the program uses public headers and its own") {
  for (const auto& source : sources_of("engine/peer_node")) {
    for (const auto& include : source.includes) {
      if (folder_named(include).empty() || starts_with(include.target, "engine/peer_node/")) continue;
      CHECK_MESSAGE(starts_with(include.target, "sheaf/"), include.file, " includes ", include.target);
    }
  }
}

TEST_CASE("nothing but the program knows the program") {
  only_in([](const Include& i) { return starts_with(i.target, "engine/peer_node/"); },
          [](std::string_view file) { return starts_with(file, "engine/peer_node/"); });
}

TEST_CASE("protocol and storage know no event loop") {
  only_in(is_asio,
          [](std::string_view file) { return starts_with(file, "net/") || starts_with(file, "engine/"); });
}

TEST_CASE("Boost.Beast stands behind one door") {
  const auto behind = [](std::string_view file) {
    return file == "net/upgrade_request.cpp" || file == "net/websocket_stream.cpp";
  };
  only_in([](const Include& i) { return starts_with(i.target, "boost/beast"); },
          [&](std::string_view file) { return file == "net/upgrade_request.hpp" || behind(file); });
  only_in([](const Include& i) { return i.target == "net/upgrade_request.hpp"; }, behind);
}

TEST_CASE("what touches the files of a user blocks, and knows no event loop") {
  for (const auto& source : sources_of("engine/peer_node/files"))
    for (const auto& include : source.includes)
      CHECK_MESSAGE(!is_asio(include), include.file, " includes ", include.target);
}

TEST_CASE("LevelDB stands behind one door") {
  only_in(is_leveldb, [](std::string_view file) {
    // The benchmark measures the router against LevelDB by itself.
    return starts_with(file, "storage/leveldb_") || file == "engine/peer_node/bench/single_leveldb.cpp";
  });
}

TEST_CASE("libsodium stands behind one door") {
  only_in(is_sodium, [](std::string_view file) { return file == "protocol/crypto.cpp"; });
}

TEST_CASE("xxHash stands behind one door") {
  only_in(is_xxhash, [](std::string_view file) { return file == "storage/xxh3.cpp"; });
}

TEST_CASE("libmagic stands behind one door") {
  only_in(is_magic, [](std::string_view file) { return file == "storage/content_type.cpp"; });
}

TEST_CASE("public headers show public headers, Asio, Boost.System and the standard library") {
  for (const auto& folder : folders) {
    for (const auto& source : sources_of(folder)) {
      if (!is_public(source.file)) continue;
      for (const auto& include : source.includes) {
        const bool standard = include.angled && include.target.find('/') == std::string::npos &&
                              include.target.find('.') == std::string::npos;
        const bool boost =
            starts_with(include.target, "boost/asio/") || starts_with(include.target, "boost/system/");
        CHECK_MESSAGE((standard || boost || starts_with(include.target, "sheaf/")), include.file,
                      " includes ", include.target);
      }
    }
  }
}

TEST_CASE("no source file holds more than one can read at a sitting") {
  constexpr std::size_t most = 600;
  std::size_t files = 0;
  std::vector<Source> longest;
  for (const auto& folder : folders) {
    for (auto& source : sources_of(folder)) {
      CHECK_MESSAGE(source.lines <= most, source.file, " has ", source.lines, " lines");
      ++files;
      longest.push_back(std::move(source));
    }
  }
  REQUIRE(files > 0);
  std::sort(longest.begin(), longest.end(), [](const auto& a, const auto& b) { return a.lines > b.lines; });
  for (std::size_t i = 0; i < std::min<std::size_t>(5, longest.size()); ++i) {
    MESSAGE(longest[i].lines, " lines: ", longest[i].file);
  }
}
