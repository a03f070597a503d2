#include "sheaf/storage/routes.hpp"

#include <algorithm>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace sheaf {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

// A value that is looked into at most once, and only if a route asks for it. Deep nesting is a stranger's
// way to spend our stack when such a value is destroyed, so it is no JSON here.
class Content {
 public:
  explicit Content(Bytes value) : value_(value) {}
  const Json* at(const Pointer& pointer) {
    if (!read_) parse();
    if (json_.is_discarded() || !json_.contains(pointer)) return nullptr;
    return &json_.at(pointer);
  }

 private:
  static constexpr int depth_most = 64;

  void parse() {
    read_ = true;
    json_ = Json(Json::value_t::discarded);
    if (value_.size() > json_bytes_most) return;
    const auto shallow = [](int depth, Json::parse_event_t, Json&) {
      if (depth > depth_most) throw std::length_error("nested too deep");
      return true;
    };
    try {
      json_ = Json::parse(as_text(value_), shallow, false);
    } catch (const std::length_error&) {
    }
  }

  Bytes value_;
  bool read_ = false;
  Json json_;
};

struct Rule {
  Route route;
  std::optional<Pointer> json;
  std::vector<Json> values;  // one of them has to be there; none: any
  std::optional<Pointer> to_json;
};

std::optional<Pointer> pointer_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  try {
    return Pointer(*text);
  } catch (const Json::exception&) {
    throw std::invalid_argument("is not a JSON pointer: " + *text);
  }
}

Json json_of(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) throw std::invalid_argument("is not JSON: " + text);
  return value;
}

class RouteMapper final : public Mapper {
 public:
  RouteMapper(std::vector<Route> routes, std::vector<std::string> labels) : labels_(std::move(labels)) {
    labels_.emplace_back(root_label);
    for (Route& route : routes) {
      Rule rule{
          .route = {}, .json = pointer_of(route.json), .values = {}, .to_json = pointer_of(route.to_json)};
      if (route.equals) rule.values.push_back(json_of(*route.equals));
      for (const std::string& text : route.one_of) rule.values.push_back(json_of(text));
      if (!rule.values.empty() && !rule.json)
        throw std::invalid_argument("equals and one_of ask for a JSON pointer");
      if (route.to.empty() && !rule.to_json) throw std::invalid_argument("the route leads nowhere");
      rule.route = std::move(route);
      rules_.push_back(std::move(rule));
    }
  }

  std::vector<std::string> labels(Bytes value, const Traits& traits) override {
    std::vector<std::string> out;
    (void)taken(value, traits, out);
    return out;
  }

  std::vector<std::string> targets() const override {
    std::vector<std::string> out;
    for (const Rule& rule : rules_) out.insert(out.end(), rule.route.to.begin(), rule.route.to.end());
    return out;
  }

  std::string why(Bytes value, const Traits& traits) override {
    std::vector<std::string> out;
    const Rule* const rule = taken(value, traits, out);
    return rule ? rule->route.name : std::string();
  }

 private:
  const Rule* taken(Bytes value, const Traits& traits, std::vector<std::string>& out) const {
    Content content(value);
    for (const Rule& rule : rules_) {
      if (!holds(rule, value, traits, content)) continue;
      out = named(rule, content);
      if (!out.empty()) return &rule;
    }
    return nullptr;
  }

  static bool holds(const Rule& rule, Bytes value, const Traits& traits, Content& content) {
    if (rule.route.min_size && value.size() < *rule.route.min_size) return false;
    if (rule.route.max_size && value.size() > *rule.route.max_size) return false;
    if (rule.route.role && traits.role != *rule.route.role) return false;
    if (!rule.json) return true;
    const Json* const found = content.at(*rule.json);
    if (!found) return false;
    return rule.values.empty() ||
           std::find(rule.values.begin(), rule.values.end(), *found) != rule.values.end();
  }

  std::vector<std::string> named(const Rule& rule, Content& content) const {
    std::vector<std::string> out = rule.route.to;
    if (rule.to_json) {
      const Json* const found = content.at(*rule.to_json);
      const auto add = [&](const Json& label) {
        if (label.is_string()) out.push_back(label.get<std::string>());
      };
      if (found && found->is_array())
        std::for_each(found->begin(), found->end(), add);
      else if (found)
        add(*found);
    }
    std::erase_if(out, [&](const std::string& label) {
      return std::find(labels_.begin(), labels_.end(), label) == labels_.end();
    });
    return out;
  }

  std::vector<Rule> rules_;
  std::vector<std::string> labels_;
};

}  // namespace

std::unique_ptr<Mapper> route_mapper(std::vector<Route> routes, std::vector<std::string> labels) {
  return std::make_unique<RouteMapper>(std::move(routes), std::move(labels));
}

}  // namespace sheaf
