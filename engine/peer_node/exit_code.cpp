#include "engine/peer_node/exit_code.hpp"

#include <boost/asio/error.hpp>

#include "sheaf/engine/error.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/storage/error.hpp"
#include "sheaf/storage/router.hpp"

namespace sheaf::peer_node {
namespace {

int code_of(EngineErrc error) {
  switch (error) {
    case EngineErrc::not_found:
    case EngineErrc::out_of_range: return exit_code::not_found;
    case EngineErrc::not_available:
    case EngineErrc::no_peer: return exit_code::no_peer;
    case EngineErrc::not_writable:
    case EngineErrc::refused:
    case EngineErrc::quota:
    case EngineErrc::uncertain: return exit_code::refused;
    case EngineErrc::frozen: return exit_code::integrity;
    case EngineErrc::bad_name: return exit_code::wrong_usage;
    case EngineErrc::exists:
    case EngineErrc::wrong_key:
    case EngineErrc::no_contents:
    case EngineErrc::too_many_links:
    case EngineErrc::closed: return exit_code::failed;
  }
  return exit_code::failed;
}

int code_of(StorageErrc error) {
  switch (error) {
    case StorageErrc::not_found: return exit_code::not_found;
    case StorageErrc::damaged:
    case StorageErrc::newer_format: return exit_code::integrity;
    case StorageErrc::poisoned:
    case StorageErrc::locked:
    case StorageErrc::full:
    case StorageErrc::io_error:
    case StorageErrc::too_large:
    case StorageErrc::closed:
    case StorageErrc::timed_out:
    case StorageErrc::exists: return exit_code::failed;
  }
  return exit_code::failed;
}

int code_of(ProtocolErrc error) {
  switch (error) {
    case ProtocolErrc::malformed:
    case ProtocolErrc::invalid_proof:
    case ProtocolErrc::invalid_signature:
    case ProtocolErrc::invalid_manifest:
    case ProtocolErrc::malformed_proof:
    case ProtocolErrc::decrypt_failed: return exit_code::integrity;
    case ProtocolErrc::missing_node:
    case ProtocolErrc::wrong_fork:
    case ProtocolErrc::handshake_failed: return exit_code::no_peer;
    case ProtocolErrc::refused: return exit_code::refused;
  }
  return exit_code::failed;
}

int code_of(NetErrc error) {
  switch (error) {
    case NetErrc::timed_out:
    case NetErrc::ended:
    case NetErrc::refused:
    case NetErrc::unreachable:
    case NetErrc::name_not_found:
    case NetErrc::bad_upgrade:
    case NetErrc::no_agreement:
    case NetErrc::text_message:
    case NetErrc::control_flood: return exit_code::no_peer;
    case NetErrc::upgrade_refused: return exit_code::refused;
    case NetErrc::bad_address:
    case NetErrc::bad_host:
    case NetErrc::bad_port:
    case NetErrc::bad_key:
    case NetErrc::scheme_not_available: return exit_code::wrong_usage;
    case NetErrc::equal_roles:
    case NetErrc::closed: return exit_code::failed;
  }
  return exit_code::failed;
}

bool is_of_the_road(const Error& error) {
  namespace errc = boost::system::errc;
  static constexpr errc::errc_t road[] = {
      errc::connection_refused, errc::connection_reset,    errc::connection_aborted, errc::not_connected,
      errc::host_unreachable,   errc::network_unreachable, errc::network_down,       errc::timed_out,
  };
  for (const auto one : road)
    if (error == one) return true;
  return error.category() == boost::asio::error::get_netdb_category() ||
         error.category() == boost::asio::error::get_addrinfo_category() || error == boost::asio::error::eof;
}

}  // namespace

int exit_code_of(const Error& error) {
  if (error.category() == engine_category()) return code_of(static_cast<EngineErrc>(error.value()));
  if (error.category() == storage_category()) return code_of(static_cast<StorageErrc>(error.value()));
  if (error.category() == router_category()) return exit_code::failed;
  if (error.category() == protocol_category()) return code_of(static_cast<ProtocolErrc>(error.value()));
  if (error.category() == net_category()) return code_of(static_cast<NetErrc>(error.value()));
  if (error == boost::system::errc::broken_pipe) return exit_code::output_closed;
  if (error == boost::system::errc::no_such_file_or_directory) return exit_code::not_found;
  return is_of_the_road(error) ? exit_code::no_peer : exit_code::failed;
}

int exit_code_of(SessionEnd end) {
  switch (end) {
    case SessionEnd::refused_key:
    case SessionEnd::refused_by_limit:
    case SessionEnd::self_connection: return exit_code::refused;
    case SessionEnd::malformed_proof:
    case SessionEnd::invalid_proof:
    case SessionEnd::decrypt_failed: return exit_code::integrity;
    case SessionEnd::handshake_frame_length:
    case SessionEnd::handshake_timeout:
    case SessionEnd::handshake_failed:
    case SessionEnd::invalid_stream_header:
    case SessionEnd::invalid_frame:
    case SessionEnd::slow_frame:
    case SessionEnd::timeout:
    case SessionEnd::channel_flood:
    case SessionEnd::malformed_open:
    case SessionEnd::malformed_batch:
    case SessionEnd::malformed_reject:
    case SessionEnd::malformed_message:
    case SessionEnd::invalid_capability:
    case SessionEnd::invalid_request:
    case SessionEnd::request_flood:
    case SessionEnd::slow_reader:
    case SessionEnd::announce_flood:
    case SessionEnd::truncated:
    case SessionEnd::remote_ended:
    case SessionEnd::local_ended:
    case SessionEnd::stream_error: return exit_code::no_peer;
  }
  return exit_code::no_peer;
}

Outcome failed(const Error& error, const std::string& what) {
  const int code = exit_code_of(error);
  if (code == exit_code::output_closed) return {code, {}};
  return {code, what + ": " + error.message()};
}

Outcome failed(int code, std::string reason) { return {code, std::move(reason)}; }

}  // namespace sheaf::peer_node
