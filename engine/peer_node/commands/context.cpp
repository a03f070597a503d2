#include "engine/peer_node/commands/context.hpp"

#include "engine/peer_node/option_values.hpp"

namespace sheaf::peer_node {

boost::asio::awaitable<Result<Core>> find_core(Node& node, const CoreRef& ref) {
  if (const auto* key = std::get_if<CoreKey>(&ref)) co_return co_await node.core(*key);
  co_return co_await node.core(std::get<std::string>(ref));
}

Outcome no_such_core(const Error& error, const CoreRef& ref) {
  if (error != make_error_code(EngineErrc::not_found)) return failed(error, to_string(ref));
  const char* hint = std::holds_alternative<CoreKey>(ref) ? "; follow it with: sheaf add KEY --core" : "";
  return failed(exit_code::not_found, "no core " + to_string(ref) + " in this folder" + hint);
}

Outcome cannot_be_read(const Error& error, const std::string& what) {
  Outcome out = failed(error, what);
  // Which of the two it is cannot be told from noise, so the way out of the likelier slip is named.
  if (error == make_error_code(EngineErrc::wrong_key))
    out.reason += " (forget a bare core, and add it with --core)";
  return out;
}

}  // namespace sheaf::peer_node
