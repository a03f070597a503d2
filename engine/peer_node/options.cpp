#include "engine/peer_node/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "engine/peer_node/bench/options.hpp"
#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/core_options.hpp"
#include "engine/peer_node/exit_code.hpp"
#include "engine/peer_node/folder_options.hpp"
#include "engine/peer_node/option_values.hpp"
#include "engine/peer_node/store_options.hpp"
#include "engine/peer_node/subcommands.hpp"
#include "engine/peer_node/usage.hpp"
#include "engine/peer_node/write_options.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

// What the global options were given as, before the environment and the defaults fill the rest.
struct RawGlobals {
  std::string folder;
  std::string config;
  std::string timeout;
  bool json = false;
  bool quiet = false;
  int verbose = 0;
};

bool is_set(const Surroundings& around, const std::string& name) {
  const auto value = around.variable(name);
  if (!value) return false;
  if (*value == "1" || *value == "true" || *value == "yes") return true;
  if (*value == "0" || *value == "false" || *value == "no") return false;
  throw WrongUsage(name + " is neither 1 nor 0: " + *value);
}

std::optional<std::chrono::nanoseconds> timeout_from(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // A year is more than anyone waits, and keeps the arithmetic of deadlines from running over.
  if (error != std::errc{} || end != text.data() + text.size() || !(seconds >= 0) || seconds > 31'536'000)
    throw WrongUsage("--timeout is not a number of seconds: " + text);
  if (seconds == 0) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::ceil(seconds * 1e9)));
}

GlobalOptions globals_from(RawGlobals raw, const Surroundings& around) {
  GlobalOptions global;
  if (!raw.folder.empty())
    global.folder = around.resolve(raw.folder);
  else if (const auto folder = default_folder(around))
    global.folder = *folder;
  else
    throw WrongUsage("no folder: give --dir DIR, or set SHEAF_DIR, XDG_DATA_HOME or HOME");
  if (raw.config.empty()) raw.config = around.variable("SHEAF_CONFIG").value_or("");
  if (!raw.config.empty()) global.config = around.resolve(raw.config);
  if (raw.timeout.empty()) raw.timeout = around.variable("SHEAF_TIMEOUT").value_or("30");
  global.timeout = timeout_from(raw.timeout);
  global.json = raw.json || is_set(around, "SHEAF_JSON");
  const bool loud = raw.verbose > 0;
  if (raw.quiet || (!loud && is_set(around, "SHEAF_QUIET"))) {
    global.verbosity = -1;
  } else if (loud) {
    global.verbosity = std::min(raw.verbose, 2);
  } else if (const auto verbose = around.variable("SHEAF_VERBOSE")) {
    if (*verbose != "0" && *verbose != "1" && *verbose != "2")
      throw WrongUsage("SHEAF_VERBOSE is not 0, 1 or 2: " + *verbose);
    global.verbosity = verbose->front() - '0';
  }
  return global;
}

// SHEAF_LISTEN and SHEAF_PEER hold addresses with spaces or commas between them.
std::vector<std::string> words_of(const std::optional<std::string>& value) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : value.value_or("") + " ") {
    if (c != ' ' && c != ',') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  return words;
}

CoreKey key_from(const std::string& text) {
  const auto key = key_from_text<CoreKey>(text);
  if (!key) throw WrongUsage("not a key (64 hex digits, 52 z-base-32 digits, or pear://KEY): " + text);
  return *key;
}

struct Grammar {
  CLI::App app{"Sheaf: peer-to-peer replication of signed append-only logs", "sheaf"};
  RawGlobals raw;
  BuiltCommands commands;
};

void add_globals(Grammar& grammar) {
  CLI::App& app = grammar.app;
  app.fallthrough();
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Show this help; every command has its own");
  app.set_version_flag("--version", std::string("sheaf ") + program_version);
  app.add_option("-d,--dir", grammar.raw.folder,
                 "The folder of the store, the keys and the configuration\n"
                 "(default: $SHEAF_DIR, else sheaf/ in the XDG data home)")
      ->type_name("DIR");
  app.add_option("--config", grammar.raw.config, "Configuration (TOML; default: sheaf.toml in DIR)")
      ->type_name("FILE");
  app.add_flag("--json", grammar.raw.json, "Machine output: one JSON object a line");
  app.add_option("--timeout", grammar.raw.timeout,
                 "For everything that waits for a peer; 0 waits for ever (default: 30)")
      ->type_name("SECONDS");
  app.add_flag("-q,--quiet", grammar.raw.quiet, "Less on stderr");
  app.add_flag("-v", grammar.raw.verbose, "More on stderr; -vv still more");
  app.footer(
      "Example:\n  sheaf -d notes core create log\n  echo hello | sheaf -d notes core append log\n"
      "  sheaf -d notes serve --listen tcp://127.0.0.1:0");
}

void add_follow_options(CLI::App& sub, std::string& file, bool& is_private) {
  sub.add_option("--encryption-key-file", file, "Opens what is encrypted; - is stdin")->type_name("FILE");
  sub.add_flag("--private", is_private, "Never announced to others");
}

AddCommand add_from(const std::string& key, bool core, const std::string& file, bool is_private) {
  AddCommand add{key_from(key), core, std::nullopt, is_private};
  if (!file.empty()) add.encryption_key_file = file;
  return add;
}

void add_follow_commands(Grammar& grammar) {
  CLI::App& app = grammar.app;
  {
    CLI::App* sub =
        add_command(app, "info", "Show our peer key, and every archive, core and store of the folder",
                    "sheaf -d notes info --json");
    grammar.commands.emplace_back(sub, [](const Surroundings&) -> Action { return InfoCommand{}; });
  }
  {
    struct Raw {
      std::string key, file;
      bool core = false, is_private = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "add", "Follow an archive (any Hyperdrive) by its key, or a core",
                                "sheaf -d copy add $KEY");
    sub->add_option("KEY", raw->key, "The archive's key, or the core's")->required();
    sub->add_flag("--core", raw->core, "The key is a bare core's");
    add_follow_options(*sub, raw->file, raw->is_private);
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return add_from(raw->key, raw->core, raw->file, raw->is_private);
    });
  }
  {
    struct Raw {
      std::string key, peer, file;
      bool is_private = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "clone", "Follow an archive and fetch all of it from a peer",
                                "sheaf -d copy clone $KEY tcp://127.0.0.1:4900");
    sub->add_option("KEY", raw->key, "The archive's key")->required();
    sub->add_option("ADDRESS", raw->peer, "Whom to ask")->required();
    add_follow_options(*sub, raw->file, raw->is_private);
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return CloneCommand{add_from(raw->key, false, raw->file, raw->is_private), peer_from(raw->peer)};
    });
  }
  {
    struct Raw {
      std::string core;
      bool yes = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub =
        add_command(app, "forget", "Stop following a core and delete its data", "sheaf -d copy forget $KEY");
    sub->add_option("KEY", raw->core, "The core's key, or its name")->required();
    sub->add_flag("--yes", raw->yes, "Delete a core that only this folder can write without asking");
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return ForgetCommand{core_ref(raw->core), raw->yes};
    });
  }
  {
    struct Raw {
      std::string what, peer;
      bool all = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "download", "Fetch and keep a file, an archive, a core, or everything",
                                "sheaf -d copy download docs/hello.txt --peer tcp://127.0.0.1:4900");
    sub->add_option("ENTRY", raw->what,
                    "NAME, NAME@LINK, or a line of list --json; or the key of an archive or core;\n"
                    "or the name of a core of this folder");
    sub->add_flag("--all", raw->all, "Everything that is followed");
    sub->add_option("--peer", raw->peer, "Whom to ask; else the peers of the process that holds DIR")
        ->type_name("ADDRESS");
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      if (raw->all == !raw->what.empty()) throw WrongUsage("download takes either an entry or --all");
      DownloadCommand download;
      download.what = raw->what;
      if (!raw->peer.empty()) download.peer = peer_from(raw->peer);
      return download;
    });
  }
}

void add_session_commands(Grammar& grammar) {
  CLI::App& app = grammar.app;
  {
    struct Raw {
      std::vector<std::string> listen, peers;
      bool sparse = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub =
        add_command(app, "serve", "Accept peers, dial the given ones, and replicate until interrupted",
                    "sheaf -d notes serve --listen tcp://127.0.0.1:4900 --peer tcp://192.0.2.7:4900");
    sub->add_option("--listen", raw->listen, "Where to accept peers; port 0: any free one")
        ->type_name("ADDRESS...")
        ->expected(1, -1);
    sub->add_option("--peer", raw->peers, "Whom to dial, again and again")
        ->type_name("ADDRESS...")
        ->expected(1, -1);
    sub->add_flag("--sparse", raw->sparse, "Fetch only what is read or downloaded");
    grammar.commands.emplace_back(sub, [raw](const Surroundings& around) -> Action {
      if (raw->listen.empty()) raw->listen = words_of(around.variable("SHEAF_LISTEN"));
      if (raw->peers.empty()) raw->peers = words_of(around.variable("SHEAF_PEER"));
      return ServeCommand{addresses_from(raw->listen), peers_from(raw->peers),
                          raw->sparse || is_set(around, "SHEAF_SPARSE")};
    });
  }
  {
    struct Raw {
      std::vector<std::string> peers;
      bool live = false, sparse = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "connect", "Dial and replicate; ends when complete",
                                "sheaf -d copy connect tcp://127.0.0.1:4900 --live");
    sub->add_option("ADDRESS", raw->peers, "Whom to dial")->required()->expected(1, -1);
    sub->add_flag("--live", raw->live, "Go on until interrupted, and dial again");
    sub->add_flag("--sparse", raw->sparse, "Fetch only what is read or downloaded");
    grammar.commands.emplace_back(sub, [raw](const Surroundings& around) -> Action {
      return ConnectCommand{peers_from(raw->peers), raw->live, raw->sparse || is_set(around, "SHEAF_SPARSE")};
    });
  }
  {
    struct Raw {
      bool initiator = false, responder = false, live = false, sparse = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "sync", "Replicate over stdin and stdout; ends when complete",
                                "socat EXEC:'sheaf -d notes sync' EXEC:'ssh host sheaf -d notes sync'");
    auto* initiator = sub->add_flag("--initiator", raw->initiator, "Begin the handshake");
    auto* responder = sub->add_flag("--responder", raw->responder,
                                    "Let the other side begin (without either flag the two agree)");
    initiator->excludes(responder);
    sub->add_flag("--live", raw->live, "Go on until either side closes");
    sub->add_flag("--sparse", raw->sparse, "Fetch only what is read or downloaded");
    grammar.commands.emplace_back(sub, [raw](const Surroundings& around) -> Action {
      SyncCommand sync;
      if (raw->initiator || raw->responder) sync.initiator = raw->initiator;
      sync.live = raw->live;
      sync.sparse = raw->sparse || is_set(around, "SHEAF_SPARSE");
      return sync;
    });
  }
}

constexpr const char* entry_help = "NAME, NAME@LINK, or a line of list --json";

void add_archive_commands(Grammar& grammar) {
  CLI::App& app = grammar.app;
  {
    struct Raw {
      std::string prefix = "/";
      bool live = false;
      RawSelection selection;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub =
        add_command(app, "list", "Every entry of every archive, by name", "sheaf -d copy list /docs --json");
    sub->alias("ls");
    sub->add_option("PREFIX", raw->prefix, "Only what is at or below this name");
    sub->add_flag("--live", raw->live, "Then go on with what is put or comes here, until interrupted");
    add_selection(*sub, raw->selection);
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      ListCommand list{raw->prefix, selection_from(raw->selection), raw->live};
      if (list.live && list.selection.checkout)
        throw WrongUsage("a checkout does not change: not with --live");
      return list;
    });
  }
  {
    struct Raw {
      std::string entry, offset = "0", length, peer, output;
      RawSelection selection;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "read", "Write a file's contents to stdout",
                                "sheaf -d copy read hello.txt --peer tcp://127.0.0.1:4900");
    sub->alias("cat");
    sub->add_option("ENTRY", raw->entry, entry_help)->required();
    sub->add_option("--offset", raw->offset, "Begin at this byte")->type_name("N");
    sub->add_option("--length", raw->length, "At most so many bytes")->type_name("N");
    sub->add_option("-o,--output", raw->output, "Into this file, once all of it is there; - is stdout")
        ->type_name("FILE");
    sub->add_option("--peer", raw->peer, "Whom to ask for what is not here")->type_name("ADDRESS");
    add_selection(*sub, raw->selection);
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      ReadCommand read{
          raw->entry, selection_from(raw->selection), {count_from(raw->offset, "--offset")}, {}, {}};
      if (!raw->length.empty()) read.length = ByteCount{count_from(raw->length, "--length")};
      if (!raw->peer.empty()) read.peer = peer_from(raw->peer);
      read.output = raw->output;
      return read;
    });
  }
  {
    struct Raw {
      std::string entry;
      RawSelection selection;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "get", "Show an entry itself, as JSON", "sheaf -d copy get hello.txt");
    sub->add_option("ENTRY", raw->entry, entry_help)->required();
    add_selection(*sub, raw->selection);
    grammar.commands.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return GetCommand{raw->entry, selection_from(raw->selection)};
    });
  }
}

// The innermost command that was called.
const CLI::App& called(const CLI::App& app) {
  const auto subcommands = app.get_subcommands();
  return subcommands.empty() ? app : called(*subcommands.back());
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : path_of(*app.get_parent()) + " " + app.get_name();
}

// The word that stands where a command should; empty where none does.
std::string taken_for_command(const Grammar& grammar) {
  const CLI::App& app = called(grammar.app);
  const auto rest =
      grammar.app.remaining(true);  // of a group, too: what it does not know falls through to here
  const bool wants_one = app.get_require_subcommand_min() > 0 && app.get_subcommands().empty();
  return wants_one && !rest.empty() ? rest.front() : std::string();
}

Said wrong_usage(const Grammar& grammar, std::string why) {
  std::replace(why.begin(), why.end(), '\n', ' ');
  return {exit_code::wrong_usage, "sheaf: " + why + "\nSee " + path_of(called(grammar.app)) + " --help.\n"};
}

}  // namespace

Parsed parse_arguments(const std::vector<std::string>& arguments, const Surroundings& around) {
  Grammar grammar;
  add_globals(grammar);
  add_follow_commands(grammar);
  add_archive_commands(grammar);
  add_session_commands(grammar);
  for (auto* add : {core_grammar, folder_grammar, write_grammar, store_grammar, bench_grammar})
    for (auto& [app, build] : add(grammar.app)) grammar.commands.emplace_back(app, std::move(build));
  try {
    grammar.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    const GlobalOptions global = globals_from(grammar.raw, around);
    for (const auto& [app, build] : grammar.commands)
      if (app->parsed()) return Command{global, build(around)};
    return wrong_usage(grammar, "a command is required");
  } catch (const CLI::CallForHelp&) {
    return Said{exit_code::done, grammar.app.help()};
  } catch (const CLI::CallForVersion& version) {
    return Said{exit_code::done, std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    const std::string unknown = taken_for_command(grammar);
    return wrong_usage(grammar, unknown.empty() ? error.what() : "no such command: " + printable(unknown));
  } catch (const WrongUsage& error) {
    return wrong_usage(grammar, error.what());
  }
}

}  // namespace sheaf::peer_node
