#include "sheaf/storage/routes.hpp"

#include <algorithm>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "storage/content_type.hpp"

namespace sheaf {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

// A value that is looked into at most once for each kind of question, and only if a route asks it. Deep
// nesting is a stranger's way to spend our stack when such a value is destroyed, so it is no JSON here.
class Content {
 public:
  Content(Bytes value, ContentTypes* types) : value_(value), types_(types) {}
  const Json* at(const Pointer& pointer) {
    if (!read_) parse();
    if (json_.is_discarded() || !json_.contains(pointer)) return nullptr;
    return &json_.at(pointer);
  }
  const std::string& type() {
    if (!type_) type_ = types_->of(value_);
    return *type_;
  }
  // The first of the patterns that the value's type is, or nullptr.
  const std::string* type_among(const std::vector<std::string>& patterns) {
    const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      return matches_content_type(type(), pattern);
    });
    return found == patterns.end() ? nullptr : &*found;
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
  ContentTypes* types_;
  std::optional<std::string> type_;
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

Rule rule_of(Route route) {
  Rule rule{.route = {}, .json = pointer_of(route.json), .values = {}, .to_json = pointer_of(route.to_json)};
  if (route.equals) rule.values.push_back(json_of(*route.equals));
  for (const std::string& text : route.one_of) rule.values.push_back(json_of(text));
  if (!rule.values.empty() && !rule.json)
    throw std::invalid_argument("equals and one_of ask for a JSON pointer");
  for (const std::string& type : route.content_types)
    if (!is_content_type(type)) throw std::invalid_argument("is not a content type: " + type);
  if (route.equals && !route.one_of.empty())
    throw std::invalid_argument("equals and one_of do not go together: one_of takes what is equal, too");
  if (!route.to.empty() && rule.to_json)
    throw std::invalid_argument("to and to_json do not go together: a route has one target");
  if (route.min_size && route.max_size && *route.min_size > *route.max_size)
    throw std::invalid_argument("min_size is more than max_size: nothing would be taken");
  if (route.to.empty() && !rule.to_json) throw std::invalid_argument("the route leads nowhere");
  rule.route = std::move(route);
  return rule;
}

std::string place_of(const Pointer& pointer) {
  return pointer.empty() ? "the whole value" : pointer.to_string();
}

std::string name_of(Traits::Role role) {
  switch (role) {
    case Traits::Role::state: return "state";
    case Traits::Role::block: return "block";
    case Traits::Role::value: return "value";
  }
  return "unknown";
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string size_reason(const Route& route, std::uint64_t size) {
  std::string out = "its " + std::to_string(size) + " bytes are ";
  if (!route.max_size) return out + "at least " + std::to_string(*route.min_size);
  if (!route.min_size) return out + "at most " + std::to_string(*route.max_size);
  return out + "from " + std::to_string(*route.min_size) + " to " + std::to_string(*route.max_size);
}

class RouteMapper final : public Mapper {
 public:
  RouteMapper(std::vector<Route> routes, std::vector<std::string> labels,
              std::unique_ptr<ArchiveOfCore> archives)
      : labels_(std::move(labels)), archives_(std::move(archives)) {
    labels_.emplace_back(root_label);
    for (Route& route : routes) {
      rules_.push_back(rule_of(std::move(route)));
      const Route& made = rules_.back().route;
      if (!made.archives.empty() && !archives_)
        throw std::invalid_argument("a route asks for archives, and nobody knows them");
      if (!made.content_types.empty() && !types_) types_ = &content_types();
    }
  }

  std::vector<std::string> labels(Bytes value, const Traits& traits) override {
    Content content(value, types_);
    return taken(value, traits, content).labels;
  }

  std::vector<std::string> targets() const override {
    std::vector<std::string> out;
    for (const Rule& rule : rules_) out.insert(out.end(), rule.route.to.begin(), rule.route.to.end());
    return out;
  }

  std::string why(Bytes value, const Traits& traits) override {
    Content content(value, types_);
    const Taken to = taken(value, traits, content);
    if (to.rule == nullptr) return {};
    std::string out = to.rule->route.name;
    if (!out.empty()) out += ": ";
    out += joined(reasons(*to.rule, value, traits, content));
    if (to.rule->to_json) out += "; " + place_of(*to.rule->to_json) + " names " + joined(to.labels);
    return out;
  }

 private:
  struct Taken {
    const Rule* rule = nullptr;
    std::vector<std::string> labels{};
  };

  Taken taken(Bytes value, const Traits& traits, Content& content) const {
    for (const Rule& rule : rules_) {
      if (!holds(rule, value, traits, content)) continue;
      std::vector<std::string> labels = named(rule, content);
      if (!labels.empty()) return {&rule, std::move(labels)};
    }
    return {};
  }

  // What costs most is asked last.
  bool holds(const Rule& rule, Bytes value, const Traits& traits, Content& content) const {
    const Route& route = rule.route;
    if (route.min_size && value.size() < *route.min_size) return false;
    if (route.max_size && value.size() > *route.max_size) return false;
    if (route.role && traits.role != *route.role) return false;
    if (!route.archives.empty() && !named_archive(route, traits)) return false;
    if (rule.json && !holds_json(rule, content)) return false;
    return route.content_types.empty() || content.type_among(route.content_types) != nullptr;
  }

  // What of the value answers each condition of a rule that holds, in the order in which they are asked.
  std::vector<std::string> reasons(const Rule& rule, Bytes value, const Traits& traits,
                                   Content& content) const {
    const Route& route = rule.route;
    std::vector<std::string> out;
    if (route.min_size || route.max_size) out.push_back(size_reason(route, value.size()));
    if (route.role) out.push_back("its role is " + name_of(*route.role));
    if (const auto archive = named_archive(route, traits))
      out.push_back("its archive is " + to_string(*archive));
    if (rule.json) {
      const std::string place = place_of(*rule.json);
      out.push_back(rule.values.empty() ? place + " is there"
                                        : place + " is " + content.at(*rule.json)->dump());
    }
    if (!route.content_types.empty()) {
      const std::string& type = content.type();
      const std::string& pattern = *content.type_among(route.content_types);
      out.push_back("its content type is " + type + (pattern == type ? "" : ", one of " + pattern));
    }
    if (out.empty()) out.emplace_back("it asks for nothing");
    return out;
  }

  // The archive that the value is a block of, if it is one of those that the route asks for.
  std::optional<CoreKey> named_archive(const Route& route, const Traits& traits) const {
    if (route.archives.empty() || traits.role != Traits::Role::block || !traits.core) return std::nullopt;
    auto archive = archives_->archive_of(*traits.core);
    const auto& asked = route.archives;
    if (archive && std::find(asked.begin(), asked.end(), *archive) == asked.end()) archive.reset();
    return archive;
  }

  static bool holds_json(const Rule& rule, Content& content) {
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
  const std::unique_ptr<ArchiveOfCore> archives_;
  ContentTypes* types_ = nullptr;
};

}  // namespace

void check_route(const Route& route) {
  const Rule rule = rule_of(route);
  if (!rule.route.content_types.empty()) (void)content_types();
}

std::unique_ptr<Mapper> route_mapper(std::vector<Route> routes, std::vector<std::string> labels,
                                     std::unique_ptr<ArchiveOfCore> archives) {
  return std::make_unique<RouteMapper>(std::move(routes), std::move(labels), std::move(archives));
}

}  // namespace sheaf
