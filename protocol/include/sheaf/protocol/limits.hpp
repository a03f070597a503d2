// The bounds an operator may set: one struct, one name each, with unit, default and reason.
//
// Each is a key of the [limits] table of sheaf.toml under its own name (durations in milliseconds). The ids
// L1 to L23 are those of docs/limits.md, where the reaction to each excess stands. A node prints the
// struct at start-up and hands it to everything that meets a stranger's bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sheaf {

struct Limits {
  using milliseconds = std::chrono::milliseconds;

  // L2: how long a handshake may take, and how many may be under way.
  milliseconds handshake_timeout_ms{10'000};
  std::size_t half_open_sessions = 64;
  std::size_t half_open_per_address = 8;

  // L3: bytes held for frames that are still arriving.
  std::size_t frame_growth_bytes = 64 * 1024;
  std::size_t receive_bytes_session = 32 * 1024 * 1024;
  std::size_t receive_bytes_process = 512 * 1024 * 1024;
  std::size_t receive_bytes_reserved = 64 * 1024;  // a session's own, outside the process budget

  // L4: a partial frame that grows slower than this is given up.
  std::size_t frame_progress_bytes = 30 * 1024;
  milliseconds frame_progress_ms{30'000};

  // L5: keep-alives, and the silence after which a session is dead.
  milliseconds keep_alive_ms{5'000};
  milliseconds idle_timeout_ms{60'000};

  // L6: channels that the other side opens and we have not answered.
  std::size_t pending_opens = 64;
  std::size_t pending_open_bytes = 32 * 1024;
  milliseconds pending_open_ms{10'000};
  std::size_t protocol_name_bytes = 128;
  std::size_t channel_id_bytes = 64;
  std::size_t rejects_session = 200'000;
  std::size_t channels_session = 200'000;

  // L7: batch entries handled before others get their turn.
  std::size_t batch_slice = 4'096;

  // L8: requests of a peer that we have not answered yet.
  std::size_t requests_channel = 1'024;
  std::size_t requests_session = 8'192;
  std::size_t request_flood = 4'096;

  // L9: what we remember of the blocks a peer has.
  std::size_t have_set_bytes = 1024 * 1024;

  // L11: the parts of a proof.
  std::size_t proof_nodes_part = 64;
  std::size_t proof_nodes = 256;
  std::size_t manifest_bytes = 16 * 1024;
  std::size_t manifest_signers = 64;

  // L12: how much bad data ends a session, and for how long its peer's key is refused.
  std::size_t bad_blocks_session = 3;
  milliseconds ban_ms{600'000};
  milliseconds ban_most_ms{86'400'000};

  // L8 and docs/wire.md, Replication: impossible requests before the session ends.
  std::size_t invalid_requests_session = 64;

  // L14: extension messages and user data.
  std::size_t extension_bytes = 64 * 1024;

  // L16: a WebSocket. Its HTTP request has the time of a handshake (L2).
  std::size_t http_head_bytes = 8 * 1024;
  std::size_t websocket_message_bytes = 16 * 1024 * 1024 + 2;  // the longest frame of the stream in it
  std::size_t control_frames_per_second = 100;

  // L17: connections.
  std::size_t connections = 256;
  std::size_t connections_per_address = 16;
  std::size_t connections_per_second = 20;
  std::size_t reserved_descriptors = 64;

  // L18: bytes waiting to be sent to one peer.
  std::size_t send_high_water_bytes = 4 * 1024 * 1024;
  std::size_t send_most_bytes = 32 * 1024 * 1024;
  milliseconds send_stall_ms{60'000};

  // L20: free space below which nothing more is written.
  std::uint64_t free_disk_bytes = 64 * 1024 * 1024;

  // L22: signature checks beyond useful ones.
  std::size_t signature_checks_per_second = 200;
};

}  // namespace sheaf
