#include "engine/peer_node/core_options.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "engine/peer_node/option_values.hpp"

namespace sheaf::peer_node {
BuiltCommands core_grammar(CLI::App& app) {
  BuiltCommands built;
  CLI::App* core = add_command(app, "core", "Work on bare cores", "sheaf -d notes core create log");
  core->require_subcommand(1);
  {
    auto name = std::make_shared<std::string>();
    CLI::App* sub = add_command(*core, "create", "Make a writable core of that name and print its key",
                                "sheaf -d notes core create log");
    sub->add_option("NAME", *name, "Its name in this folder")->required();
    built.emplace_back(
        sub, [name](const Surroundings&) -> Action { return CoreCreateCommand{core_name_from(*name)}; });
  }
  {
    struct Raw {
      std::string core;
      bool lines = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(*core, "append", "Append stdin as one block; safe on disk when it ends",
                                "journalctl -o json | sheaf -d notes core append log --lines");
    sub->add_option("CORE", raw->core, "A key, or the name of a core of this folder")->required();
    sub->add_flag("--lines", raw->lines, "A block a line, without its newline");
    built.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return CoreAppendCommand{core_ref(raw->core), raw->lines};
    });
  }
  {
    struct Raw {
      std::string core, index, peer;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(*core, "get", "Write one block to stdout",
                                "sheaf -d copy core get $KEY 41 --peer tcp://127.0.0.1:4900");
    sub->add_option("CORE", raw->core, "A key, or the name of a core of this folder")->required();
    sub->add_option("INDEX", raw->index, "Which block, from 0")->required();
    sub->add_option("--peer", raw->peer, "Whom to ask for it if it is not here")->type_name("ADDRESS");
    built.emplace_back(sub, [raw](const Surroundings&) -> Action {
      CoreGetCommand get{core_ref(raw->core), {count_from(raw->index, "INDEX")}, std::nullopt};
      if (!raw->peer.empty()) get.peer = peer_from(raw->peer);
      return get;
    });
  }
  {
    auto name = std::make_shared<std::string>();
    CLI::App* sub = add_command(*core, "info", "Show one core", "sheaf -d notes core info log --json");
    sub->add_option("CORE", *name, "A key, or the name of a core of this folder")->required();
    built.emplace_back(sub,
                       [name](const Surroundings&) -> Action { return CoreInfoCommand{core_ref(*name)}; });
  }
  {
    struct Raw {
      std::string core, bytes, peer;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(*core, "seek", "Say which block holds a byte, and where in it",
                                "sheaf -d copy core seek $KEY 1000000 --peer tcp://127.0.0.1:4900");
    sub->add_option("CORE", raw->core, "A key, or the name of a core of this folder")->required();
    sub->add_option("BYTE", raw->bytes, "Counted from the start of the core, from 0")->required();
    sub->add_option("--peer", raw->peer, "Whom to ask for the way if it is not here")->type_name("ADDRESS");
    built.emplace_back(sub, [raw](const Surroundings&) -> Action {
      CoreSeekCommand seek{core_ref(raw->core), {count_from(raw->bytes, "BYTE")}, std::nullopt};
      if (!raw->peer.empty()) seek.peer = peer_from(raw->peer);
      return seek;
    });
  }
  {
    struct Raw {
      std::string core, length;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(*core, "truncate", "Wind a writable core back to a length",
                                "sheaf -d notes core truncate log 100");
    sub->add_option("CORE", raw->core, "A key, or the name of a core of this folder")->required();
    sub->add_option("LENGTH", raw->length, "How many blocks stay")->required();
    built.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return CoreTruncateCommand{core_ref(raw->core), {count_from(raw->length, "LENGTH")}};
    });
  }
  return built;
}

}  // namespace sheaf::peer_node
