#include "engine/peer_node/commands/storage_report.hpp"

#include <fmt/format.h>

#include "engine/peer_node/folder.hpp"

namespace sheaf::peer_node {
namespace {

const char* name_of(StoreConfig::Kind kind) {
  switch (kind) {
    case StoreConfig::Kind::memory: return "memory";
    case StoreConfig::Kind::leveldb: return "leveldb";
    case StoreConfig::Kind::log: return "log";
  }
  return "unknown";
}

Json store_json(const CommandContext& context, const StoreConfig& store) {
  Json out{{"label", store.label}, {"backend", name_of(store.kind)}, {"path", nullptr}};
  if (store.kind != StoreConfig::Kind::memory)
    out["path"] = (context.global.folder / store.folder).lexically_normal().string();
  out["adopt"] = store.adopt;
  const std::string trouble = context.store.store_trouble(store.label);
  out["trouble"] = trouble.empty() ? Json(nullptr) : Json(trouble);
  return out;
}

// One of several, or the only one by itself, as the configuration may have it.
Json one_or_list(const std::vector<std::string>& texts) {
  return texts.size() == 1 ? Json(texts.front()) : Json(texts);
}

Json route_json(const Route& route) {
  Json out{{"name", route.name}};
  if (route.min_size) out["min_size"] = *route.min_size;
  if (route.max_size) out["max_size"] = *route.max_size;
  if (route.role) out["role"] = *route.role == Traits::Role::block ? "block" : "value";
  if (!route.archives.empty()) {
    std::vector<std::string> keys;
    for (const CoreKey& key : route.archives) keys.push_back(to_string(key));
    out["archive"] = one_or_list(keys);
  }
  if (!route.content_types.empty()) out["content_type"] = one_or_list(route.content_types);
  if (route.json) out["json"] = *route.json;
  if (route.equals) out["equals"] = Json::parse(*route.equals);
  for (const std::string& text : route.one_of) out["one_of"].push_back(Json::parse(text));
  if (!route.to.empty()) out["to"] = route.to;
  if (route.to_json) out["to_json"] = *route.to_json;
  return out;
}

std::string shown(const Json& value) {
  return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

// Its conditions, then where it leads.
std::string route_row(const Json& route) {
  std::string conditions;
  for (const auto& [name, value] : route.items())
    if (name != "name" && name != "to" && name != "to_json") conditions += name + " " + shown(value) + "  ";
  if (conditions.empty()) conditions = "everything  ";
  std::string to;
  if (route.contains("to"))
    for (const Json& label : route["to"]) to += " " + shown(label);
  if (route.contains("to_json")) to += " the stores that it names at " + shown(route["to_json"]);
  return "\n" + conditions + "->" + to;
}

}  // namespace

Json storage_json(const CommandContext& context) {
  const StorageOptions options = with_defaults(context.storage);
  Json stores = Json::array();
  const StoreConfig root{.label = std::string(root_label), .folder = root_name};
  stores.push_back(store_json(context, root));
  for (const StoreConfig& store : options.stores) stores.push_back(store_json(context, store));
  Json routes = Json::array();
  for (const Route& route : options.routes) routes.push_back(route_json(route));
  Json out{{"stores", std::move(stores)}, {"routes", std::move(routes)}};
  out["fallback"] = options.fallback ? Json(*options.fallback) : Json(nullptr);
  out["copies_least"] = options.copies_least == 0 ? Json(nullptr) : Json(options.copies_least);
  return out;
}

std::string storage_table(const CommandContext& context) {
  const Json all = storage_json(context);
  std::string text = fmt::format("\n{:<16}  {:<8}  {:<7}  {}", "store", "backend", "state", "path");
  for (const Json& store : all["stores"]) {
    const bool well = store["trouble"].is_null();
    text += fmt::format("\n{:<16}  {:<8}  {:<7}  {}", shown(store["label"]), shown(store["backend"]),
                        well ? "ok" : "failed", store["path"].is_null() ? "" : shown(store["path"]));
    if (store["adopt"].get<bool>()) text += "  (adopts)";
    if (!well) text += ": " + shown(store["trouble"]);
  }
  text += "\n\nroutes";
  for (const Json& route : all["routes"]) text += route_row(route);
  text += "\nother blocks  -> root\nother values  -> ";
  text += all["fallback"].is_null() ? "none, an error" : shown(all["fallback"]);
  if (const Json& least = all["copies_least"]; !least.is_null())
    text += fmt::format("\na put is done with {} of its copies", least.get<std::uint64_t>());
  return text;
}

}  // namespace sheaf::peer_node
