#include "engine/peer_node/store_options.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "engine/peer_node/option_values.hpp"
#include "engine/peer_node/usage.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

constexpr const char* key_help = "1 to 1,024 bytes";

std::string value_key_from(const std::string& text) {
  if (text.empty() || text.size() > value_key_bytes_most)
    throw WrongUsage("a value's key has 1 to 1,024 bytes");
  return text;
}

// A bound: empty where it is not given.
std::string bound_from(const CLI::App& sub, const char* option, const std::string& text) {
  return sub.count(option) == 0 ? std::string() : value_key_from(text);
}

void add_writing(CLI::App& store, BuiltCommands& built) {
  {
    auto key = std::make_shared<std::string>();
    CLI::App* sub = add_command(store, "put", "Keep stdin under a key; safe on disk when it ends",
                                "echo hello | sheaf -d notes store put greeting");
    sub->add_option("KEY", *key, key_help)->required();
    built.emplace_back(
        sub, [key](const Surroundings&) -> Action { return StorePutCommand{value_key_from(*key)}; });
  }
  {
    CLI::App* sub = add_command(store, "post", "Keep stdin under a fresh key, and print the key",
                                "sheaf -d notes store post < picture.png");
    built.emplace_back(sub, [](const Surroundings&) -> Action { return StorePostCommand{}; });
  }
  {
    auto key = std::make_shared<std::string>();
    CLI::App* sub =
        add_command(store, "del", "Delete a value and every copy of it", "sheaf -d notes store del greeting");
    sub->add_option("KEY", *key, key_help)->required();
    built.emplace_back(
        sub, [key](const Surroundings&) -> Action { return StoreDelCommand{value_key_from(*key)}; });
  }
  {
    CLI::App* sub =
        add_command(store, "batch",
                    "Puts and deletes from stdin, one JSON object a line, all or none:\n"
                    "type (put or del), key, value; key_hex and value_hex for what is no text",
                    R"(echo '{"type":"put","key":"a","value":"1"}' | sheaf -d notes store batch)");
    built.emplace_back(sub, [](const Surroundings&) -> Action { return StoreBatchCommand{}; });
  }
}

void add_reading(CLI::App& store, BuiltCommands& built) {
  {
    auto get = std::make_shared<StoreGetCommand>();
    CLI::App* sub = add_command(store, "get", "Write a value to stdout", "sheaf -d notes store get greeting");
    sub->add_option("KEY", get->key, key_help)->required();
    sub->add_flag("--all", get->all, "Every copy, differing ones too, one JSON object a line");
    built.emplace_back(sub, [get](const Surroundings&) -> Action {
      return StoreGetCommand{value_key_from(get->key), get->all};
    });
  }
  {
    struct Raw {
      StoreListCommand list;
      std::string limit;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(store, "list", "Keys, with length and the stores that hold a copy",
                                "sheaf -d notes store list --gte a --lt b --json");
    sub->add_option("--gt", raw->list.gt, "Only what comes after this key")->type_name("KEY");
    sub->add_option("--gte", raw->list.gte, "This key too")->type_name("KEY");
    sub->add_option("--lt", raw->list.lt, "Only what comes before this key")->type_name("KEY");
    sub->add_option("--lte", raw->list.lte, "This key too")->type_name("KEY");
    sub->add_flag("--reverse", raw->list.reverse, "The last key first");
    sub->add_option("--limit", raw->limit, "At most so many")->type_name("N");
    sub->add_flag("--values", raw->list.values, "The values too");
    built.emplace_back(sub, [raw, sub](const Surroundings&) -> Action {
      StoreListCommand list = raw->list;
      list.gt = bound_from(*sub, "--gt", list.gt);
      list.gte = bound_from(*sub, "--gte", list.gte);
      list.lt = bound_from(*sub, "--lt", list.lt);
      list.lte = bound_from(*sub, "--lte", list.lte);
      if (!raw->limit.empty()) list.limit = count_from(raw->limit, "--limit");
      return list;
    });
  }
  {
    auto watch = std::make_shared<StoreWatchCommand>();
    CLI::App* sub =
        add_command(store, "watch", "Changes as they happen, one JSON object a line, until interrupted",
                    "sheaf -d notes store watch");
    sub->add_flag("--values", watch->values, "The values too");
    built.emplace_back(sub, [watch](const Surroundings&) -> Action { return *watch; });
  }
  {
    CLI::App* sub = add_command(store, "explain", "Say which route takes the value on stdin, and why",
                                "sheaf -d notes store explain < picture.png");
    built.emplace_back(sub, [](const Surroundings&) -> Action { return StoreExplainCommand{}; });
  }
  {
    auto check = std::make_shared<StoreCheckCommand>();
    CLI::App* sub =
        add_command(store, "check", "Hold every pointer against every copy; exit 4 if any is wrong",
                    "sheaf -d notes store check --repair");
    sub->add_flag("--repair", check->repair, "Mend what can be mended");
    sub->add_flag("--rebalance", check->rebalance, "Move copies to where today's routes send them");
    sub->add_flag("--rebuild-root", check->rebuild_root,
                  "First make a lost root again from the records of the copies");
    built.emplace_back(sub, [check](const Surroundings&) -> Action { return *check; });
  }
}

}  // namespace

BuiltCommands store_grammar(CLI::App& app) {
  BuiltCommands built;
  CLI::App* store = add_command(app, "store", "Work on the value store of the folder",
                                "echo hello | sheaf -d notes store put greeting");
  store->require_subcommand(1);
  add_writing(*store, built);
  add_reading(*store, built);
  return built;
}

}  // namespace sheaf::peer_node
