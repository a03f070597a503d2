#include "sheaf/protocol/session_end.hpp"

namespace sheaf {

std::string_view to_string(SessionEnd end) noexcept {
  switch (end) {
    case SessionEnd::handshake_frame_length: return "handshake_frame_length";
    case SessionEnd::handshake_timeout: return "handshake_timeout";
    case SessionEnd::handshake_failed: return "handshake_failed";
    case SessionEnd::refused_key: return "refused_key";
    case SessionEnd::self_connection: return "self_connection";
    case SessionEnd::invalid_stream_header: return "invalid_stream_header";
    case SessionEnd::invalid_frame: return "invalid_frame";
    case SessionEnd::decrypt_failed: return "decrypt_failed";
    case SessionEnd::slow_frame: return "slow_frame";
    case SessionEnd::timeout: return "timeout";
    case SessionEnd::channel_flood: return "channel_flood";
    case SessionEnd::malformed_open: return "malformed_open";
    case SessionEnd::malformed_batch: return "malformed_batch";
    case SessionEnd::malformed_reject: return "malformed_reject";
    case SessionEnd::malformed_message: return "malformed_message";
    case SessionEnd::malformed_proof: return "malformed_proof";
    case SessionEnd::invalid_capability: return "invalid_capability";
    case SessionEnd::invalid_proof: return "invalid_proof";
    case SessionEnd::invalid_request: return "invalid_request";
    case SessionEnd::request_flood: return "request_flood";
    case SessionEnd::slow_reader: return "slow_reader";
    case SessionEnd::announce_flood: return "announce_flood";
    case SessionEnd::truncated: return "truncated";
    case SessionEnd::remote_ended: return "remote_ended";
    case SessionEnd::local_ended: return "local_ended";
    case SessionEnd::stream_error: return "stream_error";
    case SessionEnd::refused_by_limit: return "refused_by_limit";
  }
  return "unknown";
}

}  // namespace sheaf
