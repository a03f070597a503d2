#include "engine/peer_node/storage_config.hpp"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "engine/peer_node/folder.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

// Calls begin(table) for each table of a list, read(name, value) for each of its keys, and end(); adds the
// place to what is refused.
template <class Begin, class Read, class End>
void each_table(const toml::node& node, Begin begin, Read read, End end) {
  const auto* tables = node.as_array();
  if (tables == nullptr || !tables->is_array_of_tables()) throw Refused{"is not a list of tables"};
  for (const auto& element : *tables) {
    begin(element);
    for (const auto& [name, value] : *element.as_table()) {
      try {
        read(std::string_view(name), value);
      } catch (Refused& refused) {
        if (refused.at == nullptr) refused.at = &value;
        if (refused.key.empty()) refused.key = "." + std::string(name);
        throw refused;
      } catch (const std::invalid_argument& wrong) {
        throw Refused{wrong.what(), &value, "." + std::string(name)};
      }
    }
    try {
      end();
    } catch (Refused& refused) {
      refused.at = &element;
      throw refused;
    } catch (const std::invalid_argument& wrong) {
      throw Refused{wrong.what(), &element};
    }
  }
}

bool flag_of(const toml::node& node) {
  const auto* flag = node.as_boolean();
  if (flag == nullptr) throw Refused{"is neither true nor false"};
  return flag->get();
}

StoreConfig::Kind kind_of(const toml::node& node) {
  const std::string text = text_of(node);
  if (text == "memory") return StoreConfig::Kind::memory;
  if (text == "leveldb") return StoreConfig::Kind::leveldb;
  if (text == "log") return StoreConfig::Kind::log;
  throw Refused{"is none of memory, leveldb, log: " + text};
}

Traits::Role role_of(const toml::node& node) {
  const std::string text = text_of(node);
  if (text == "block") return Traits::Role::block;
  if (text == "value") return Traits::Role::value;
  throw Refused{"is neither block nor value (state always stays in the root): " + text};
}

std::string json_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return nlohmann::json(text->get()).dump();
  if (const auto* number = node.as_integer()) return nlohmann::json(number->get()).dump();
  if (const auto* number = node.as_floating_point()) return nlohmann::json(number->get()).dump();
  if (const auto* flag = node.as_boolean()) return nlohmann::json(flag->get()).dump();
  throw Refused{"is not a text, a number, true or false"};
}

std::vector<std::string> jsons_of(const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) throw Refused{"is not a list"};
  std::vector<std::string> out;
  for (const auto& element : *array) out.push_back(json_of(element));
  return out;
}

namespace fs = std::filesystem;

// Where a path leads from the node's folder, links followed as far as it exists.
fs::path place_of(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path whole = folder / path;
  fs::path real = fs::weakly_canonical(whole, error);
  return error ? whole.lexically_normal() : real;
}

// Whether one place is the other or lies in it.
bool overlap(const fs::path& one, const fs::path& other) {
  const auto parts = [](const fs::path& path) {
    std::vector<std::string> out;
    for (const auto& part : path)
      if (!part.empty()) out.push_back(part.string());
    return out;
  };
  const auto a = parts(one), b = parts(other);
  const auto common = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return std::equal(a.begin(), a.begin() + common, b.begin());
}

std::vector<std::string> one_or_more(const toml::node& node) {
  std::vector<std::string> texts = node.is_string() ? std::vector{text_of(node)} : texts_of(node);
  if (texts.empty()) throw Refused{"is an empty list: nothing would be taken"};
  return texts;
}

}  // namespace

void read_stores(StorageOptions& options, const toml::node& node) {
  options.stores.clear();
  const auto begin = [&](const toml::node&) { options.stores.emplace_back(); };
  const auto read = [&](std::string_view name, const toml::node& value) {
    StoreConfig& store = options.stores.back();
    if (name == "label") {
      store.label = text_of(value);
      const auto same = [&](const StoreConfig& other) { return other.label == store.label; };
      if (store.label.empty() || store.label == root_label) throw Refused{"is empty, or \"root\""};
      if (std::count_if(options.stores.begin(), options.stores.end(), same) > 1)
        throw Refused{"is used twice: " + store.label};
    } else if (name == "backend") {
      store.kind = kind_of(value);
    } else if (name == "path") {
      store.folder = text_of(value);
    } else if (name == "adopt") {
      store.adopt = flag_of(value);
    } else {
      throw Refused{"no such key"};
    }
  };
  const auto end = [&] {
    StoreConfig& store = options.stores.back();
    if (store.label.empty()) throw Refused{"a store has a label"};
    if (store.folder.empty()) store.folder = store.label;
  };
  each_table(node, begin, read, end);
}

void read_routes(StorageOptions& options, const toml::node& node) {
  options.routes.clear();
  const std::vector<std::string> anywhere{std::string(root_label)};
  const auto begin = [&](const toml::node& table) {
    options.routes.emplace_back();
    options.routes.back().name = "the route at line " + std::to_string(table.source().begin.line);
  };
  const auto read = [&](std::string_view name, const toml::node& value) {
    Route& route = options.routes.back();
    if (name == "min_size") {
      route.min_size = bytes_of(value);
    } else if (name == "max_size") {
      route.max_size = bytes_of(value);
    } else if (name == "role") {
      route.role = role_of(value);
    } else if (name == "json") {
      route.json = text_of(value);
      check_route({.json = route.json, .to = anywhere});
    } else if (name == "equals") {
      route.equals = json_of(value);
    } else if (name == "one_of") {
      route.one_of = jsons_of(value);
    } else if (name == "to") {
      route.to = texts_of(value);
    } else if (name == "to_json") {
      route.to_json = text_of(value);
      check_route({.to_json = route.to_json});
    } else if (name == "content_type") {
      route.content_types = one_or_more(value);
      check_route({.content_types = route.content_types, .to = anywhere});
    } else if (name == "archive") {
      for (const std::string& text : one_or_more(value)) {
        const auto key = key_from_text<CoreKey>(text);
        if (!key) throw Refused{"is not a key: " + text};
        route.archives.push_back(*key);
      }
    } else {
      throw Refused{"no such key"};
    }
  };
  // Says what does not go together, or leads nowhere.
  const auto end = [&] {
    Route all = options.routes.back();
    all.content_types.clear();
    check_route(all);
  };
  each_table(node, begin, read, end);
}

void check_folders(const StorageOptions& options, const toml::table& storage, const fs::path& folder) {
  const auto* tables = storage.get_as<toml::array>("store");
  if (tables == nullptr) return;
  const auto refuse = [&](std::size_t store, const std::string& why) {
    throw Refused{"its path is not free: " + why, tables->get(store), ".store"};
  };
  std::vector<fs::path> places;
  for (const StoreConfig& store : options.stores) {
    places.push_back(place_of(store.folder, folder));
    if (store.kind == StoreConfig::Kind::memory) continue;
    const std::size_t at = places.size() - 1;
    for (const char* own : own_names)
      if (overlap(places[at], place_of(own, folder)))
        refuse(at, store.folder.string() + " holds what is not a store's");
    for (std::size_t i = 0; i < at; ++i)
      if (options.stores[i].kind != StoreConfig::Kind::memory && overlap(places[at], places[i]))
        refuse(at, "the store " + options.stores[i].label + " lies there");
  }
}

bool has_store(const StorageOptions& options, const std::string& label) {
  if (label == root_label) return true;
  if (options.stores.empty()) return label == "small" || label == "large";
  return std::any_of(options.stores.begin(), options.stores.end(),
                     [&](const StoreConfig& store) { return store.label == label; });
}

void check_labels(const StorageOptions& options, const toml::table& storage) {
  const auto need = [&](const std::string& label, const toml::node& at, const char* key) {
    if (!has_store(options, label)) throw Refused{"there is no such store: " + label, &at, key};
  };
  if (const auto* fallback = storage.get("fallback")) need(text_of(*fallback), *fallback, ".fallback");
  const auto* routes = storage.get_as<toml::array>("route");
  if (routes == nullptr) return;
  for (const auto& route : *routes)
    if (const auto* to = route.as_table()->get_as<toml::array>("to"))
      for (const auto& label : *to) need(text_of(label), label, ".route.to");
}

}  // namespace sheaf::peer_node
