#include "engine/peer_node/config.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include <toml++/toml.h>

#include "engine/peer_node/folder.hpp"
#include "engine/peer_node/limits_table.hpp"
#include "engine/peer_node/storage_config.hpp"
#include "sheaf/protocol/key_text.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf::peer_node {

std::string text_of(const toml::node& node) {
  const auto* text = node.as_string();
  if (text == nullptr) throw Refused{"is not a text"};
  return text->get();
}

std::vector<std::string> texts_of(const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) throw Refused{"is not a list of texts"};
  std::vector<std::string> texts;
  for (const auto& element : *array) {
    if (!element.is_string()) throw Refused{"is not a list of texts"};
    texts.push_back(element.as_string()->get());
  }
  return texts;
}

std::uint64_t number_of(const toml::node& node) {
  const auto* number = node.as_integer();
  if (number == nullptr) throw Refused{"is not a whole number"};
  if (number->get() < 0 || static_cast<std::uint64_t>(number->get()) > max_wire_integer)
    throw Refused{"is not from 0 to 2^53 - 1"};
  return static_cast<std::uint64_t>(number->get());
}

std::uint64_t bytes_of(const toml::node& node) {
  if (!node.is_string()) return number_of(node);
  static constexpr std::pair<std::string_view, int> units[] = {
      {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  const std::string text = node.as_string()->get();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const auto& [name, bits] : units)
    if (error == std::errc{} && unit == name && number <= (max_wire_integer >> bits)) return number << bits;
  throw Refused{"is not a size like 65536 or \"64 KiB\": " + text};
}

namespace {

struct Key {
  std::string section;
  std::string name;
  bool is_list = false;
  std::function<void(Config&, const toml::node&)> set;  // throws Refused
};

std::vector<Address> addresses_of(const toml::node& node) {
  std::vector<Address> addresses;
  for (const auto& text : texts_of(node)) {
    auto address = parse_address(text);
    if (!address) throw Refused{text + ": " + address.error().message()};
    addresses.push_back(std::move(*address));
  }
  return addresses;
}

template <class KeyOfKind>
std::vector<KeyOfKind> keys_of(const toml::node& node) {
  std::vector<KeyOfKind> keys;
  for (const auto& text : texts_of(node)) {
    const auto key = key_from_text<KeyOfKind>(text);
    if (!key) throw Refused{"is not a key: " + text};
    keys.push_back(*key);
  }
  return keys;
}

Key limit_key(const LimitEntry& entry) {
  return {"limits", std::string(entry.name), false, [&entry](Config& config, const toml::node& node) {
            const bool in_bytes = entry.name.find("bytes") != std::string_view::npos;
            const std::uint64_t value = in_bytes ? bytes_of(node) : number_of(node);
            if (value == 0 && !entry.may_be_zero) throw Refused{"is 0; it has to be at least 1"};
            set_value(config.limits, entry, value);
          }};
}

void set_level(Config& config, const toml::node& node) {
  static constexpr std::pair<std::string_view, LogLevel> levels[] = {{"error", LogLevel::error},
                                                                     {"warning", LogLevel::warning},
                                                                     {"info", LogLevel::info},
                                                                     {"debug", LogLevel::debug}};
  const std::string text = text_of(node);
  for (const auto& [name, level] : levels)
    if (text == name) {
      config.log_level = level;
      return;
    }
  throw Refused{"is none of error, warning, info, debug: " + text};
}

void set_durability(Config& config, const toml::node& node) {
  const std::string text = text_of(node);
  if (text != "crash" && text != "power") throw Refused{"is neither \"crash\" nor \"power\": " + text};
  config.durability = text == "power" ? Durability::power : Durability::crash;
}

void set_policy(Config& config, const toml::node& node) {
  const std::string text = text_of(node);
  if (text == "members") throw Refused{"\"members\" is not available in this version"};
  if (text != "open" && text != "allowlist") throw Refused{"is neither \"open\" nor \"allowlist\": " + text};
  config.policy = text == "open" ? Policy::open : Policy::allowlist;
}

void set_announce(Config& config, const toml::node& node) {
  const std::string text = text_of(node);
  if (text != "all" && text != "allowed") throw Refused{"is neither \"all\" nor \"allowed\": " + text};
  config.announce = text == "all" ? Announce::all : Announce::allowed;
}

Key later(std::string section, std::string name) {
  return {std::move(section), std::move(name), false,
          [](Config&, const toml::node&) { throw Refused{"is not available in this version"}; }};
}

std::vector<Key> all_keys() {
  std::vector<Key> keys{
      {"node", "listen", true,
       [](Config& config, const toml::node& node) {
         config.listen = addresses_of(node);
         for (const auto& address : config.listen)
           if (address.scheme == Scheme::exec) throw Refused{to_string(address) + ": cannot be listened on"};
       }},
      {"node", "peers", true,
       [](Config& config, const toml::node& node) { config.peers = addresses_of(node); }},
      {"node", "web_hosts", true,
       [](Config& config, const toml::node& node) { config.web_hosts = texts_of(node); }},
      {"node", "web_origins", true,
       [](Config& config, const toml::node& node) { config.web_origins = texts_of(node); }},
      later("node", "http"),
      {"bundle", "policy", false, set_policy},
      {"bundle", "allow", true,
       [](Config& config, const toml::node& node) { config.allow = keys_of<CoreKey>(node); }},
      {"bundle", "allow_peers", true,
       [](Config& config, const toml::node& node) { config.allow_peers = keys_of<PublicKey>(node); }},
      {"bundle", "announce", false, set_announce},
      {"bundle", "max_archives", false,
       [](Config& config, const toml::node& node) {
         config.max_archives = static_cast<std::size_t>(number_of(node));
       }},
      {"bundle", "quota_archive", false,
       [](Config& config, const toml::node& node) {
         config.quota_archive = {bytes_of(node)};
         if (config.quota_archive == ByteCount{}) throw Refused{"is 0; it has to be at least 1"};
       }},
      {"log", "level", false, set_level},
      {"storage", "durability", false, set_durability},
      {"storage", "fallback", false,
       [](Config& config, const toml::node& node) { config.storage.fallback = text_of(node); }},
      {"storage", "copies_least", false,
       [](Config& config, const toml::node& node) {
         config.storage.copies_least = static_cast<std::size_t>(number_of(node));
         if (config.storage.copies_least == 0) throw Refused{"is 0; it has to be at least 1"};
       }},
      {"storage", "store", false,
       [](Config& config, const toml::node& node) { read_stores(config.storage, node); }},
      {"storage", "route", false,
       [](Config& config, const toml::node& node) { read_routes(config.storage, node); }},
  };
  for (const auto& entry : limit_entries()) keys.push_back(limit_key(entry));
  return keys;
}

std::string place(const std::string& file, const toml::node& node) {
  return file + ":" + std::to_string(node.source().begin.line);
}

const Key* find_key(const std::vector<Key>& keys, std::string_view section, std::string_view name) {
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& key) { return key.section == section && key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(const std::vector<Key>& keys, std::string_view name) {
  return std::any_of(keys.begin(), keys.end(), [&](const Key& key) { return key.section == name; });
}

void read_file(Config& config, const std::vector<Key>& keys, const toml::table& root, const std::string& file,
               const std::filesystem::path& folder) {
  for (const auto& [section, content] : root) {
    const std::string where = place(file, content) + ": ";
    if (!is_section(keys, section)) throw BadConfig(where + std::string(section) + ": no such key");
    const auto* table = content.as_table();
    if (table == nullptr) throw BadConfig(where + std::string(section) + ": is not a table");
    for (const auto& [name, value] : *table) {
      const std::string full = std::string(section) + "." + std::string(name);
      const Key* key = find_key(keys, section, name);
      if (key == nullptr) throw BadConfig(place(file, value) + ": " + full + ": no such key");
      try {
        key->set(config, value);
      } catch (const Refused& refused) {
        throw BadConfig(place(file, refused.at ? *refused.at : value) + ": " + full + refused.key + ": " +
                        refused.why);
      }
    }
    if (section != "storage") continue;
    try {
      check_folders(config.storage, *table, folder);
      check_labels(config.storage, *table);
    } catch (const Refused& refused) {
      throw BadConfig(place(file, *refused.at) + ": storage" + refused.key + ": " + refused.why);
    }
  }
}

toml::array words_of(const std::string& text) {
  toml::array words;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ' && c != ',') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  return words;
}

void read_environment(Config& config, const std::vector<Key>& keys, const Surroundings& around) {
  for (const auto& key : keys) {
    std::string name = "SHEAF_" + key.section + "_" + key.name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    const auto text = around.variable(name);
    if (!text) continue;
    try {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
      if (key.is_list)
        key.set(config, words_of(*text));
      else if (error == std::errc{} && end == text->data() + text->size())
        key.set(config, toml::value<std::int64_t>(number));
      else
        key.set(config, toml::value<std::string>(*text));
    } catch (const Refused& refused) {
      throw BadConfig("environment: " + name + ": " + refused.why);
    }
  }
}

}  // namespace

Config parse_config(std::string_view text, const std::string& file, const std::filesystem::path& folder,
                    const Surroundings& around) {
  Config config;
  const auto keys = all_keys();
  try {
    read_file(config, keys, toml::parse(text, file), file, folder);
  } catch (const toml::parse_error& error) {
    throw BadConfig(file + ":" + std::to_string(error.source().begin.line) + ": " +
                    std::string(error.description()));
  }
  read_environment(config, keys, around);
  if (config.storage.fallback && !has_store(config.storage, *config.storage.fallback))
    throw BadConfig("storage.fallback: there is no such store: " + *config.storage.fallback);
  return config;
}

Config load_config(const std::optional<std::filesystem::path>& named, const std::filesystem::path& folder,
                   const Surroundings& around) {
  constexpr std::size_t most_bytes = 1024 * 1024;
  const std::filesystem::path file = named.value_or(folder / config_name);
  std::error_code error;
  if (!named && !std::filesystem::exists(file, error)) return parse_config({}, file, folder, around);
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  if (stream && std::filesystem::is_regular_file(file, error)) {
    text.resize(most_bytes + 1);
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
  } else {
    throw BadConfig(file.string() + ": cannot be read");
  }
  if (text.size() > most_bytes) throw BadConfig(file.string() + ": is larger than a megabyte");
  return parse_config(text, file, folder, around);
}

}  // namespace sheaf::peer_node
