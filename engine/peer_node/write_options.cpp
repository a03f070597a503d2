#include "engine/peer_node/write_options.hpp"

#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/option_values.hpp"
#include "engine/peer_node/usage.hpp"

namespace sheaf::peer_node {
namespace {

std::string entry_name_from(const std::string& text) {
  const auto name = normal_name(text);
  if (!name || *name == "/") throw WrongUsage("no entry can have that name: " + printable(text));
  return *name;
}

// What is nested deeper than any entry is no JSON here; nothing is done with it that takes a step a level.
std::optional<Json> json_from(const std::string& text) {
  constexpr int most_levels = 64;
  bool too_deep = false;
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > most_levels;
    return !too_deep;
  };
  Json json = Json::parse(text, shallow, false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

std::string metadata_from(const std::string& text) {
  if (!json_from(text)) throw WrongUsage("--metadata is no JSON, or nested too deep: " + printable(text));
  return text;
}

Length version_from(const std::string& text) {
  const Length version{count_from(text, "VERSION")};
  if (version.value == 0) throw WrongUsage("versions begin with 1");
  return version;
}

// A member of the object that has to be of a kind, if it is there and not null.
const Json* member(const Json& object, const char* name, bool (Json::*is_kind)() const noexcept,
                   const char* kind) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return nullptr;
  if (!((*found).*is_kind)()) throw WrongUsage(std::string("the entry's ") + name + " is " + kind);
  return &*found;
}

AppendCommand entry_from(const std::string& text) {
  const auto parsed = json_from(text);
  if (!parsed || !parsed->is_object())
    throw WrongUsage("an entry is a JSON object, not nested too deep: " + printable(text));
  const Json& json = *parsed;
  AppendCommand out;
  const Json* name = member(json, "name", &Json::is_string, "a text");
  if (name == nullptr) throw WrongUsage("the entry has no name: " + printable(text));
  out.name = entry_name_from(name->get<std::string>());
  if (const Json* link = member(json, "linkname", &Json::is_string, "a text"))
    out.linkname = link->get<std::string>();
  if (const Json* executable = member(json, "executable", &Json::is_boolean, "true or false"))
    out.executable = executable->get<bool>();
  if (json.contains("metadata")) out.metadata = json["metadata"].dump();
  return out;
}

}  // namespace

BuiltCommands write_grammar(CLI::App& app) {
  BuiltCommands out;
  {
    struct Raw {
      std::string from, key_file;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub = add_command(app, "init", "Make the archive that this folder writes, and print its key",
                                "sheaf -d notes init");
    auto* from = sub->add_option("--from", raw->from, "Take in the keys that key export wrote; - is stdin")
                     ->type_name("FILE");
    sub->add_option("--encryption-key-file", raw->key_file,
                    "Seal the new archive: peers without this key carry it and cannot read it; - is stdin")
        ->type_name("FILE")
        ->excludes(from);
    out.emplace_back(sub, [raw](const Surroundings&) -> Action {
      InitCommand init;
      if (!raw->from.empty()) init.from = raw->from;
      if (!raw->key_file.empty()) init.encryption_key_file = raw->key_file;
      return init;
    });
  }
  {
    auto file = std::make_shared<std::string>();
    CLI::App* key =
        add_command(app, "key", "Back up the secret keys", "sheaf -d notes key export notes.keys");
    key->require_subcommand(1);
    CLI::App* sub =
        add_command(*key, "export", "Write this folder's secret keys to a new file, for init --from",
                    "sheaf -d notes key export notes.keys");
    sub->add_option("FILE", *file, "Must not be there yet; - is stdout")->required();
    out.emplace_back(sub, [file](const Surroundings&) -> Action { return KeyExportCommand{*file}; });
  }
  {
    struct Raw {
      std::string name, metadata = "null";
      bool executable = false;
    };
    auto raw = std::make_shared<Raw>();
    CLI::App* sub =
        add_command(app, "write", "Write stdin as a file of this folder's archive; safe on disk when it ends",
                    "echo hello | sheaf -d notes write hello.txt");
    sub->add_option("NAME", raw->name, "The file's name")->required();
    sub->add_flag("--executable", raw->executable, "Mark it as a program");
    sub->add_option("--metadata", raw->metadata, "What else is kept with it")->type_name("JSON");
    out.emplace_back(sub, [raw](const Surroundings&) -> Action {
      return WriteCommand{entry_name_from(raw->name), raw->executable, metadata_from(raw->metadata)};
    });
  }
  {
    auto entry = std::make_shared<std::string>();
    CLI::App* sub = add_command(app, "append", "Put one entry without contents as it is given",
                                R"(sheaf -d notes append '{"name":"latest","linkname":"/2026/may"}')");
    sub->add_option("JSON", *entry, "name; and linkname, executable, metadata as they are wanted")
        ->required();
    out.emplace_back(sub, [entry](const Surroundings&) -> Action { return entry_from(*entry); });
  }
  {
    auto entry = std::make_shared<std::string>();
    CLI::App* sub =
        add_command(app, "rm", "Delete an entry of this folder's archive", "sheaf -d notes rm hello.txt");
    sub->add_option("ENTRY", *entry, "NAME, NAME@LINK, or a line of list --json")->required();
    out.emplace_back(sub, [entry](const Surroundings&) -> Action { return RemoveCommand{*entry}; });
  }
  {
    auto version = std::make_shared<std::string>();
    CLI::App* sub = add_command(app, "truncate", "Wind this folder's archive back to a version",
                                "sheaf -d notes truncate 12");
    sub->add_option("VERSION", *version, "As list --json names it; 1 is the empty archive")->required();
    out.emplace_back(
        sub, [version](const Surroundings&) -> Action { return TruncateCommand{version_from(*version)}; });
  }
  return out;
}

}  // namespace sheaf::peer_node
