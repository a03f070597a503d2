#include "engine/peer_node/commands/info_command.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/output.hpp"
#include "sheaf/engine/bundle.hpp"

namespace sheaf::peer_node {
namespace {

// Whether its entries can be told: where its header is none, or our encryption key does not open it, they
// cannot.
bool is_readable(const ArchiveInfo& archive) { return archive.blobs_key.has_value(); }

Json archive_json(const ArchiveInfo& archive) {
  return {{"key", to_string(archive.key)}, {"kind", "archive"},
          {"writable", archive.writable},  {"version", archive.version.value},
          {"fork", archive.fork.value},    {"length", archive.blocks.value},
          {"bytes", archive.bytes.value},  {"local", archive.local.value},
          {"complete", archive.complete},  {"readable", is_readable(archive)},
          {"private", archive.is_private}, {"frozen", archive.frozen},
          {"peers", archive.peers}};
}

Json info_json(const CommandContext& context, const std::vector<ArchiveInfo>& archives,
               const std::vector<CoreInfo>& cores) {
  Json trees = Json::array();
  for (const auto& archive : archives) trees.push_back(archive_json(archive));
  Json list = Json::array();
  for (const auto& core : cores) {
    Json one = core_json(core);
    one["kind"] = !core.archive ? "core" : *core.archive == core.key ? "archive" : "blobs";
    if (core.archive) one["archive"] = to_string(*core.archive);
    if (!core.name.empty()) one["name"] = core.name;
    one["contiguous"] = core.contiguous.value;
    one["complete"] = core.local == core.length;
    one["frozen"] = core.frozen;
    one["peers"] = core.peers;
    list.push_back(std::move(one));
  }
  return {{"peer_key", to_string(context.node.identity())},
          {"folder", context.global.folder.string()},
          {"archives", std::move(trees)},
          {"cores", std::move(list)}};
}

std::string archive_row(const ArchiveInfo& archive) {
  const char* kind = archive.frozen ? "frozen" : archive.writable ? "writable" : "followed";
  const char* state = archive.complete       ? "complete"
                      : is_readable(archive) ? "partly here"
                                             : "not readable yet";
  return fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", to_string(archive.key), kind,
                     archive.version.value, archive.local.value, archive.bytes.value, archive.peers, state);
}

std::string info_table(const CommandContext& context, const std::vector<ArchiveInfo>& archives,
                       const std::vector<CoreInfo>& cores) {
  std::string text = "peer key  " + to_string(context.node.identity()) + "\n";
  text += "folder    " + printable(context.global.folder.string()) + "\n";
  if (!archives.empty())
    text += fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", "archive", "", "version",
                        "here", "bytes", "peers", "state");
  for (const auto& archive : archives) text += archive_row(archive);
  if (!archives.empty()) text += "\n";
  if (cores.empty()) return text + "no cores";
  text += fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", "core", "", "length", "here",
                      "bytes", "peers", "name");
  for (const auto& core : cores) {
    const char* kind = core.frozen ? "frozen" : core.writable ? "writable" : "followed";
    text +=
        fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", to_string(core.key), kind,
                    core.length.value, core.local.value, core.bytes.value, core.peers, printable(core.name));
  }
  return text;
}

}  // namespace

boost::asio::awaitable<Outcome> run(CommandContext& context, const InfoCommand&, Io& io) {
  const auto cores = co_await context.node.cores();
  if (!cores) co_return failed(cores.error(), context.global.folder);
  Bundle bundle(context.node);
  const auto archives = co_await bundle.archives();
  if (!archives) co_return failed(archives.error(), context.global.folder);
  const std::string text = context.global.json ? to_line(info_json(context, *archives, *cores))
                                               : info_table(context, *archives, *cores);
  if (auto printed = co_await io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
