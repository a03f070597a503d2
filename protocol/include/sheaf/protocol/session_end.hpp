// Why a session ended: one word for every ending, whichever layer found it.
//
// A session ends with exactly one of these, and nothing of it is delivered afterwards. Nothing is said to
// the other side either: the wire has no message for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sheaf {

enum class SessionEnd : std::uint8_t {
  // Transport: Noise and the secret stream.
  handshake_frame_length,  // the peer's: a frame before authentication is not of the one size it can have
  handshake_timeout,       // anyone's: the handshake took longer than handshake_timeout_ms
  handshake_failed,        // the peer's or the road's: a bad point or tag in a Noise message
  refused_key,             // ours: the peer's static key is not the expected one, or is not let in
  self_connection,         // nobody's: the peer's static key is our own
  invalid_stream_header,   // the peer's: its first encrypted frame is no header, or has the wrong stream id
  invalid_frame,           // the peer's: an encrypted frame too short to be one
  decrypt_failed,          // the road's: a frame was altered, dropped, repeated or moved
  slow_frame,              // the peer's: a frame began and did not arrive at the least speed
  timeout,                 // the road's: nothing at all was heard for idle_timeout_ms

  // Channels.
  channel_flood,       // the peer's: more rejected or opened channels than a session may have
  malformed_open,      // the peer's: an open that does not decode, or numbers its channel wrongly
  malformed_batch,     // the peer's: a batch in a batch, an empty entry, or one past its end
  malformed_reject,    // the peer's: a reject or close of what was never opened
  malformed_message,   // the peer's: a message does not decode, or a number is out of range
  malformed_proof,     // the peer's: more nodes or signers than any proof has
  invalid_capability,  // the peer's: it does not know the key of the core that it opened
  invalid_proof,       // the peer's: hashes or signatures that do not hold, more often than forgiven
  invalid_request,     // the peer's: asked for the impossible more often than forgiven
  request_flood,       // the peer's: more unanswered requests than anyone needs
  slow_reader,         // the peer's: what we sent is not being read
  announce_flood,      // the peer's: far more archives announced than allowed

  // Endings that are nobody's breach.
  truncated,         // the road's: the stream ended in the middle of a frame or a handshake
  remote_ended,      // the peer's choice: it ended its direction between two frames
  local_ended,       // our choice: closed by the application or at shutdown
  stream_error,      // the road's: the transport below reported an error
  refused_by_limit,  // ours: a limit on connections, half-open sessions or memory
};

inline constexpr std::size_t session_end_count = static_cast<std::size_t>(SessionEnd::refused_by_limit) + 1;

// The enumerator's own name, as it appears in logs and events.
std::string_view to_string(SessionEnd end) noexcept;

}  // namespace sheaf
