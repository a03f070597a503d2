#include "engine/peer_node/limits_table.hpp"

#include <type_traits>

namespace sheaf::peer_node {
namespace {

#define SHEAF_LIMIT(name) \
  { #name, &Limits::name, false }
#define SHEAF_LIMIT_OR_ZERO(name) \
  { #name, &Limits::name, true }

constexpr LimitEntry table[] = {
    SHEAF_LIMIT(handshake_timeout_ms),
    SHEAF_LIMIT(half_open_sessions),
    SHEAF_LIMIT(half_open_per_address),
    SHEAF_LIMIT(frame_growth_bytes),
    SHEAF_LIMIT(receive_bytes_session),
    SHEAF_LIMIT(receive_bytes_process),
    SHEAF_LIMIT(receive_bytes_reserved),
    SHEAF_LIMIT(frame_progress_bytes),
    SHEAF_LIMIT(frame_progress_ms),
    SHEAF_LIMIT(keep_alive_ms),
    SHEAF_LIMIT(idle_timeout_ms),
    SHEAF_LIMIT(pending_opens),
    SHEAF_LIMIT(pending_open_bytes),
    SHEAF_LIMIT(pending_open_ms),
    SHEAF_LIMIT(protocol_name_bytes),
    SHEAF_LIMIT(channel_id_bytes),
    SHEAF_LIMIT(rejects_session),
    SHEAF_LIMIT(channels_session),
    SHEAF_LIMIT(batch_slice),
    SHEAF_LIMIT(requests_channel),
    SHEAF_LIMIT(requests_session),
    SHEAF_LIMIT(request_flood),
    SHEAF_LIMIT(have_set_bytes),
    SHEAF_LIMIT(proof_nodes_part),
    SHEAF_LIMIT(proof_nodes),
    SHEAF_LIMIT(manifest_bytes),
    SHEAF_LIMIT(manifest_signers),
    SHEAF_LIMIT_OR_ZERO(bad_blocks_session),
    SHEAF_LIMIT_OR_ZERO(ban_ms),
    SHEAF_LIMIT_OR_ZERO(ban_most_ms),
    SHEAF_LIMIT_OR_ZERO(invalid_requests_session),
    SHEAF_LIMIT_OR_ZERO(extension_bytes),
    SHEAF_LIMIT(http_head_bytes),
    SHEAF_LIMIT(websocket_message_bytes),
    SHEAF_LIMIT(control_frames_per_second),
    SHEAF_LIMIT(connections),
    SHEAF_LIMIT(connections_per_address),
    SHEAF_LIMIT(connections_per_second),
    SHEAF_LIMIT_OR_ZERO(reserved_descriptors),
    SHEAF_LIMIT(send_high_water_bytes),
    SHEAF_LIMIT(send_most_bytes),
    SHEAF_LIMIT(send_stall_ms),
    SHEAF_LIMIT_OR_ZERO(free_disk_bytes),
    SHEAF_LIMIT(signature_checks_per_second),
};

#undef SHEAF_LIMIT
#undef SHEAF_LIMIT_OR_ZERO

// Each field is one 64-bit number: a limit that is missing above changes the size and does not compile.
static_assert(std::is_same_v<std::size_t, std::uint64_t>);
static_assert(sizeof(Limits) == std::size(table) * sizeof(std::uint64_t), "a limit is missing in the table");

}  // namespace

std::span<const LimitEntry> limit_entries() { return table; }

std::uint64_t value_of(const Limits& limits, const LimitEntry& entry) {
  if (const auto* time = std::get_if<Limits::milliseconds Limits::*>(&entry.field))
    return static_cast<std::uint64_t>((limits.**time).count());
  return limits.*std::get<std::size_t Limits::*>(entry.field);
}

void set_value(Limits& limits, const LimitEntry& entry, std::uint64_t value) {
  if (const auto* time = std::get_if<Limits::milliseconds Limits::*>(&entry.field))
    limits.** time = Limits::milliseconds(static_cast<std::int64_t>(value));
  else
    limits.*std::get<std::size_t Limits::*>(entry.field) = value;
}

}  // namespace sheaf::peer_node
