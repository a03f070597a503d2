#include "engine/peer_node/folder_options.hpp"

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/peer_node/option_values.hpp"
#include "engine/peer_node/usage.hpp"

namespace sheaf::peer_node {
namespace {

void add_export(CLI::App& app, BuiltCommands& built) {
  struct Raw {
    std::string destination, most_bytes;
    RawSelection selection;
    bool by_link = false, prune = false, dry_run = false, checksum = false, unsafe_links = false;
  };
  auto raw = std::make_shared<Raw>();
  CLI::App* sub = add_command(app, "export", "Write the files and links of archives into a folder",
                              "sheaf -d copy export ./out --link $KEY --prune");
  sub->add_option("DEST", raw->destination, "The folder; made where there is none")->required();
  add_selection(*sub, raw->selection);
  sub->add_flag("--by-link", raw->by_link, "Each archive into a folder of its own: DEST/LINK/NAME");
  sub->add_flag("--prune", raw->prune, "Delete what is there and no entry is");
  sub->add_flag("-n,--dry-run", raw->dry_run, "Say what would be done, and do nothing");
  sub->add_flag("--checksum", raw->checksum, "Compare contents even where size and time are equal");
  sub->add_option("--max-bytes", raw->most_bytes, "Of all files together; what would be more is left out")
      ->type_name("N");
  sub->add_flag("--unsafe-links", raw->unsafe_links, "Write symbolic links that lead out of DEST too");
  built.emplace_back(sub, [raw](const Surroundings&) -> Action {
    if (raw->destination.empty()) throw WrongUsage("DEST is a folder's path, and not empty");
    ExportCommand out{raw->destination,
                      selection_from(raw->selection),
                      raw->by_link,
                      raw->prune,
                      raw->dry_run,
                      raw->checksum,
                      {},
                      raw->unsafe_links};
    if (!raw->most_bytes.empty()) out.most_bytes = ByteCount{count_from(raw->most_bytes, "--max-bytes")};
    return out;
  });
}

void add_import(CLI::App& app, BuiltCommands& built) {
  auto import = std::make_shared<ImportCommand>();
  CLI::App* sub = add_command(app, "import", "Put files and links of folders into the archive of this folder",
                              "sheaf -d notes import ./site --to /www --exclude '*.o'");
  sub->add_option("PATH", import->paths, "A folder, whose contents are put; or one file")
      ->required()
      ->expected(1, -1);
  sub->add_option("--to", import->to, "Below this name instead of at the root")->type_name("PREFIX");
  sub->add_option("--exclude", import->exclude,
                  "Leave out what matches: a name at any depth, or with a slash the path from PATH on;\n"
                  "may be given again")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  sub->add_flag("--prune", import->prune, "Delete entries there that no file is");
  sub->add_flag("-n,--dry-run", import->dry_run, "Say what would be done, and do nothing");
  sub->add_flag("--checksum", import->checksum, "Compare contents even where size and time are equal");
  sub->add_flag("--no-times", import->no_times, "Keep no times of files");
  built.emplace_back(sub, [import](const Surroundings&) -> Action {
    for (const std::string& path : import->paths)
      if (path.empty()) throw WrongUsage("PATH is not empty");
    return *import;
  });
}

}  // namespace

BuiltCommands folder_grammar(CLI::App& app) {
  BuiltCommands built;
  add_export(app, built);
  add_import(app, built);
  return built;
}

}  // namespace sheaf::peer_node
