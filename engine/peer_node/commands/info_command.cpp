#include "engine/peer_node/commands/info_command.hpp"

#include <fmt/format.h>

#include "engine/peer_node/commands/output.hpp"

namespace sheaf::peer_node {
namespace {

Json info_json(const CommandContext& context, const std::vector<CoreInfo>& cores) {
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
          {"cores", std::move(list)}};
}

std::string info_table(const CommandContext& context, const std::vector<CoreInfo>& cores) {
  std::string text = "peer key  " + to_string(context.node.identity()) + "\n";
  text += "folder    " + printable(context.global.folder.string()) + "\n";
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
  const std::string text =
      context.global.json ? to_line(info_json(context, *cores)) : info_table(context, *cores);
  if (auto printed = co_await io.print(text); !printed) co_return failed(printed.error(), "stdout");
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
