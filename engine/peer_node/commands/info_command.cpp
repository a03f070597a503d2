#include "engine/peer_node/commands/info_command.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/storage_report.hpp"
#include "sheaf/engine/archive.hpp"

namespace sheaf::peer_node {
namespace {

struct ArchiveLine {
  ArchiveInfo info;
  bool readable = false;  // its entries can be told
};

Json archive_json(const ArchiveLine& line) {
  const ArchiveInfo& archive = line.info;
  return {{"key", to_string(archive.key)}, {"kind", "archive"},
          {"writable", archive.writable},  {"version", archive.version.value},
          {"fork", archive.fork.value},    {"length", archive.blocks.value},
          {"bytes", archive.bytes.value},  {"local", archive.local.value},
          {"complete", archive.complete},  {"readable", line.readable},
          {"private", archive.is_private}, {"frozen", archive.frozen},
          {"peers", archive.peers}};
}

Json info_json(const CommandContext& context, const std::vector<ArchiveLine>& archives,
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
  Json out{{"peer_key", to_string(context.node.identity())},
           {"folder", context.global.folder.string()},
           {"archives", std::move(trees)},
           {"cores", std::move(list)}};
  out.update(storage_json(context));
  return out;
}

std::string archive_row(const ArchiveLine& line) {
  const ArchiveInfo& archive = line.info;
  const char* kind = archive.frozen ? "frozen" : archive.writable ? "writable" : "followed";
  std::string state = archive.complete ? "complete" : "partly here";
  if (!line.readable) state = archive.complete ? "complete, not readable" : "not readable yet";
  return fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", to_string(archive.key), kind,
                     archive.version.value, archive.local.value, archive.bytes.value, archive.peers, state);
}

std::string info_table(const CommandContext& context, const std::vector<ArchiveLine>& archives,
                       const std::vector<CoreInfo>& cores) {
  std::string text = "peer key  " + to_string(context.node.identity()) + "\n";
  text += "folder    " + printable(context.global.folder.string()) + "\n";
  if (!archives.empty())
    text += fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", "archive", "", "version",
                        "here", "bytes", "peers", "state");
  for (const auto& archive : archives) text += archive_row(archive);
  if (!archives.empty()) text += "\n";
  if (cores.empty()) return text + "no cores\n" + storage_table(context);
  text += fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", "core", "", "length", "here",
                      "bytes", "peers", "name");
  for (const auto& core : cores) {
    const char* kind = core.frozen ? "frozen" : core.writable ? "writable" : "followed";
    text +=
        fmt::format("\n{:<64}  {:<8}  {:>10}  {:>10}  {:>14}  {:>5}  {}", to_string(core.key), kind,
                    core.length.value, core.local.value, core.bytes.value, core.peers, printable(core.name));
  }
  return text + "\n" + storage_table(context);
}

boost::asio::awaitable<Result<std::vector<ArchiveLine>>> archive_lines(Node& node) {
  const auto keys = co_await node.archives();
  if (!keys) co_return keys.error();
  std::vector<ArchiveLine> out;
  for (const CoreKey& key : *keys) {
    auto archive = co_await node.archive(key);
    if (!archive) co_return archive.error();
    auto info = co_await archive->info();
    if (!info) co_return info.error();
    const auto readable = co_await archive->check_readable();
    out.push_back({std::move(*info), readable.has_value()});
  }
  co_return out;
}

}  // namespace

boost::asio::awaitable<Outcome> run(CommandContext& context, const InfoCommand&, Io& io) {
  const auto cores = co_await context.node.cores();
  if (!cores) co_return failed(cores.error(), context.global.folder);
  const auto archives = co_await archive_lines(context.node);
  if (!archives) co_return failed(archives.error(), context.global.folder);
  const std::string text = context.global.json ? to_line(info_json(context, *archives, *cores))
                                               : info_table(context, *archives, *cores);
  if (auto printed = co_await io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
